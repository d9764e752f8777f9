/**
 * Times and durations. A monotonic instant, a wall-clock time and a duration are three types, so that adding the wrong
 * two does not compile. All are in milliseconds; documents carry whole seconds.
 */

declare const brand: unique symbol

/** An instant of a node's monotonic clock, in milliseconds since an arbitrary start. Never goes back. */
export type MonotonicMs = number & { readonly [brand]: 'monotonic' }
/** A wall-clock time in milliseconds since 1970-01-01 00:00:00 UTC, as this node's clock shows it. May be skewed or jump. */
export type WallMs = number & { readonly [brand]: 'wall' }
/** A duration in milliseconds. */
export type DurationMs = number & { readonly [brand]: 'duration' }

export const monotonicMs = (value: number): MonotonicMs => value as MonotonicMs
export const wallMs = (value: number): WallMs => value as WallMs
export const durationMs = (value: number): DurationMs => value as DurationMs
export const seconds = (value: number): DurationMs => (value * 1000) as DurationMs
export const minutes = (value: number): DurationMs => (value * 60_000) as DurationMs
export const hours = (value: number): DurationMs => (value * 3_600_000) as DurationMs
export const days = (value: number): DurationMs => (value * 86_400_000) as DurationMs

/** `instant` moved by `by` (which may be negative); the kind of instant is kept. */
export function later<T extends MonotonicMs | WallMs>(instant: T, by: DurationMs): T {
  return (instant + by) as T
}

/** The duration from `from` to `to`; negative when `to` is earlier. */
export function between<T extends MonotonicMs | WallMs>(from: T, to: T): DurationMs {
  return (to - from) as DurationMs
}

/** Whole seconds since the epoch, rounded down. */
export const wallToSec = (time: WallMs): number => Math.floor(time / 1000)
export const wallFromSec = (sec: number): WallMs => (sec * 1000) as WallMs

/** `YYYY-MM-DD HH:MM:SS` in UTC, the form of dir-spec §1.2. */
export function formatIsoTime(time: WallMs): string {
  return new Date(Math.floor(time / 1000) * 1000).toISOString().slice(0, 19).replace('T', ' ')
}

/** Parses `YYYY-MM-DD HH:MM:SS` (UTC); undefined if it is not exactly that or not a date of the calendar. */
export function parseIsoTime(text: string): WallMs | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, number, number, number, number, number]
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined
  const time = Date.UTC(year, month - 1, day, hour, minute, second)
  // A day the month does not have rolls over into the next month; that is how it is found.
  if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day || year < 1970) return undefined
  return time as WallMs
}
