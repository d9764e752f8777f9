/** Amounts with units, as C tor writes them: `10 minutes`, `1.5 GB`, `512 KBits`. */

const kib = 1024

/** Bytes per unit. Bits are eighths; K, M and G are powers of 1024 (tor(1), "BandwidthRate"). */
const memoryUnits: ReadonlyMap<string, number> = new Map(
  [
    { names: ['', 'b', 'byte', 'bytes'], bytes: 1 },
    { names: ['kb', 'kbyte', 'kbytes', 'kilobyte', 'kilobytes'], bytes: kib },
    { names: ['kbit', 'kbits', 'kilobit', 'kilobits'], bytes: kib / 8 },
    { names: ['m', 'mb', 'mbyte', 'mbytes', 'megabyte', 'megabytes'], bytes: kib ** 2 },
    { names: ['mbit', 'mbits', 'megabit', 'megabits'], bytes: kib ** 2 / 8 },
    { names: ['gb', 'gbyte', 'gbytes', 'gigabyte', 'gigabytes'], bytes: kib ** 3 },
    { names: ['gbit', 'gbits', 'gigabit', 'gigabits'], bytes: kib ** 3 / 8 },
    { names: ['tb', 'tbyte', 'tbytes', 'terabyte', 'terabytes'], bytes: kib ** 4 },
    { names: ['tbit', 'tbits', 'terabit', 'terabits'], bytes: kib ** 4 / 8 },
  ].flatMap((unit) => unit.names.map((name) => [name, unit.bytes] as const)),
)

/** Milliseconds per unit. A month is the mean one of 30.437 days. */
const timeUnits: ReadonlyMap<string, number> = new Map(
  [
    { names: ['msec', 'millisecond', 'milliseconds'], ms: 1 },
    { names: ['second', 'seconds'], ms: 1000 },
    { names: ['minute', 'minutes'], ms: 60_000 },
    { names: ['hour', 'hours'], ms: 3_600_000 },
    { names: ['day', 'days'], ms: 86_400_000 },
    { names: ['week', 'weeks'], ms: 604_800_000 },
    { names: ['month', 'months'], ms: 2_629_728_000 },
  ].flatMap((unit) => unit.names.map((name) => [name, unit.ms] as const)),
)

function parseAmount(text: string, unitOf: (unit: string) => number | undefined): number | undefined {
  const match = /^\s*(\d+|\d*\.\d+|\d+\.)\s*([a-z]*)\s*$/i.exec(text)
  if (match === null) return undefined
  const unit = unitOf((match[2] ?? '').toLowerCase())
  if (unit === undefined) return undefined
  const amount = Math.floor(Number(match[1]) * unit)
  return Number.isSafeInteger(amount) ? amount : undefined
}

/** Bytes, or undefined when malformed, of an unknown unit or too large. */
export const parseMemory = (text: string): number | undefined => parseAmount(text, (unit) => memoryUnits.get(unit))

/** Milliseconds; a bare number counts whole seconds. Fractions of a second are cut off, and the unit `msec` is unknown, as in C tor. */
export function parseInterval(text: string): number | undefined {
  const ms = parseAmount(text, (unit) => (unit === '' ? 1000 : unit.startsWith('m') && !/^(minute|month)/.test(unit) ? undefined : timeUnits.get(unit)))
  if (ms === undefined) return undefined
  const sec = Math.floor(ms / 1000)
  return sec <= 0x7fff_ffff ? sec * 1000 : undefined
}

/** Milliseconds; a bare number counts milliseconds. Months are unknown, as in C tor. */
export function parseMillisecondInterval(text: string): number | undefined {
  const ms = parseAmount(text, (unit) => (unit === '' ? 1 : unit.startsWith('month') ? undefined : timeUnits.get(unit)))
  return ms !== undefined && ms <= 0x7fff_ffff ? ms : undefined
}
