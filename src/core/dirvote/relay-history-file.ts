/**
 * The file `router-stability` in which an authority keeps the histories of relays over a restart: C tor's format 2, so
 * that either program goes on where the other stopped. Time in which no authority ran counts neither as up nor as down:
 * runs and downtimes are moved by it.
 */

import { RelishError } from '../base/errors.ts'
import { formatIsoTime, parseIsoTime, wallFromSec, wallToSec } from '../base/time.ts'
import { MAX_RELAY_HISTORIES } from './limits.ts'
import { RelayHistories, RelayHistory } from './relay-history.ts'

const YEAR_SEC = 365 * 24 * 60 * 60

export function emitRelayHistories(histories: RelayHistories, nowSec: number): string {
  const time = (sec: number): string => formatIsoTime(wallFromSec(sec))
  const since = (sec: number | undefined): string => (sec === undefined ? '' : ` S=${time(sec)}`)
  const { trackingSinceSec, lastDiscountSec } = histories
  const lines = [
    'format 2',
    `stored-at ${time(nowSec)}`,
    ...(trackingSinceSec === undefined ? [] : [`tracked-since ${time(trackingSinceSec)}`]),
    ...(lastDiscountSec === undefined ? [] : [`last-downrated ${time(lastDiscountSec)}`]),
    'data',
  ]
  for (const [fingerprint, history] of histories.entries()) {
    lines.push(
      `R ${fingerprint}`,
      `+MTBF ${Math.trunc(history.weightedRunLength)} ${history.totalRunWeights.toFixed(5)}${since(history.runningSinceSec)}`,
      `+WFU ${Math.trunc(history.weightedUptime)} ${Math.trunc(history.totalWeightedTime)}${since(history.downSinceSec)}`,
    )
  }
  return `${[...lines, '.'].join('\n')}\n`
}

/** Throws `bad-document` for a file of another format. Single lines that it cannot read are passed over, as in C tor. */
export function parseRelayHistories(text: string, nowSec: number): RelayHistories {
  const lines = text.split('\n').map((line) => line.trim())
  if (lines[0] !== 'format 2') throw new RelishError('bad-document', 'router-stability: expected "format 2" in the first line', { position: { line: 1 } })
  const dataAt = lines.indexOf('data')
  const head = dataAt < 0 ? lines : lines.slice(0, dataAt)
  const timeOf = (keyword: string): number | undefined => parseSec(head.find((line) => line.startsWith(`${keyword} `))?.slice(keyword.length + 1))
  const storedAtSec = timeOf('stored-at')
  if (storedAtSec === undefined) throw new RelishError('bad-document', 'router-stability: has no stored-at')
  const earlierOf = (sec: number | undefined): number | undefined => (sec === undefined ? undefined : Math.min(sec, nowSec))
  const trackingSinceSec = earlierOf(timeOf('tracked-since'))
  const histories = new RelayHistories({ trackingSinceSec, lastDiscountSec: earlierOf(timeOf('last-downrated')) })
  const moved = (sec: number | undefined): number | undefined => moveTime(sec, { nowSec, storedAtSec, trackingSinceSec: trackingSinceSec ?? 0 })

  let history: RelayHistory | undefined
  let count = 0
  for (const line of dataAt < 0 ? [] : lines.slice(dataAt + 1)) {
    if (line === '.') break
    const [keyword, ...rest] = line.split(' ')
    const [first, second] = rest.slice(0, 2).map(Number)
    const sinceSec = moved(parseSec(/ S=(.*)$/.exec(line)?.[1]))
    if (keyword === 'R') {
      history = /^[0-9A-F]{40}$/i.test(rest[0] ?? '') && count++ < MAX_RELAY_HISTORIES ? histories.of((rest[0] ?? '').toUpperCase()) : undefined
    } else if (history !== undefined && isAmount(first) && isAmount(second)) {
      if (keyword === '+MTBF') Object.assign(history, { weightedRunLength: first, totalRunWeights: second, runningSinceSec: sinceSec })
      if (keyword === '+WFU') Object.assign(history, { weightedUptime: first, totalWeightedTime: second, downSinceSec: sinceSec })
    }
  }
  return histories
}

const isAmount = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value) && value >= 0

function parseSec(text: string | undefined): number | undefined {
  const time = text === undefined ? undefined : parseIsoTime(text)
  return time === undefined ? undefined : wallToSec(time)
}

/** C tor's `correct_time`: a run that had lasted so long when the file was written has lasted so long now. */
function moveTime(sec: number | undefined, times: { nowSec: number; storedAtSec: number; trackingSinceSec: number }): number | undefined {
  const { nowSec, storedAtSec, trackingSinceSec } = times
  if (sec === undefined || sec > storedAtSec || sec < trackingSinceSec - YEAR_SEC) return undefined
  if (sec < trackingSinceSec) return trackingSinceSec
  return Math.max(trackingSinceSec, nowSec - (storedAtSec - sec))
}
