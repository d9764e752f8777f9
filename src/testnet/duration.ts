/** Durations as people write them in files and on the command line: `24h`, `90 s`, `500ms`, `7d`, `1.5 minutes`. */

const unitsMs: Readonly<Record<string, number>> = Object.freeze({
  ms: 1, msec: 1, s: 1000, sec: 1000, second: 1000, seconds: 1000, m: 60_000, min: 60_000, minute: 60_000, minutes: 60_000,
  h: 3_600_000, hour: 3_600_000, hours: 3_600_000, d: 86_400_000, day: 86_400_000, days: 86_400_000,
})

/** In schemas. */
export const durationPattern = '^\\s*\\d+(\\.\\d+)?\\s*(ms|msec|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?\\s*$'

/** Milliseconds; a number without a unit counts seconds. Undefined for what is no duration. */
export function parseDuration(text: string | number): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/.exec(String(text))
  if (match === null) return undefined
  const unit = match[2] === '' ? 1000 : unitsMs[match[2] ?? '']
  if (unit === undefined) return undefined
  const ms = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** The shortest spelling that means exactly so many milliseconds. */
export function formatDuration(ms: number): string {
  for (const [unit, size] of [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]] as const) {
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`
  }
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`
}
