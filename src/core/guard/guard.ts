/**
 * One sampled guard (guard-spec §4.1, §4.3) and its line in the state file (guard-spec §A.5, with `sampled_idx` as C tor
 * writes it since prop310).
 *
 * What a line carries beyond the fields known here, path-bias counters included, is kept and written back.
 */

import { formatIsoTime, parseIsoTime, type MonotonicMs, type WallMs } from '../base/time.ts'
import { guardExtraLengthMax } from './limits.ts'

export interface Guard {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  readonly nickname: string
  // Persistent, guard-spec §4.1.
  readonly sampledOn: WallMs
  readonly sampledBy: string | undefined
  listed: boolean
  unlistedSince: WallMs | undefined
  // Persistent, guard-spec §4.3.
  confirmedOn: WallMs | undefined
  /** Place in the order of confirming; undefined when not confirmed. */
  confirmedIndex: number | undefined
  /** Words of the line that this program does not know. */
  readonly extra: string
  // Transient, guard-spec §4.1.
  reachable: 'yes' | 'no' | 'maybe'
  lastTried: MonotonicMs | undefined
  failingSince: MonotonicMs | undefined
  /** An exploratory circuit through it is under way. */
  pending: boolean
  /** Passes the filter of the present configuration (guard-spec §4.2). */
  filtered: boolean
}

export interface GuardLine {
  /** The `in` field: `default`, `restricted` or `bridges`. */
  readonly selection: string
  readonly sampledIndex: number
  readonly guard: Guard
}

/** A guard as it is just after sampling. */
export function newGuard(fingerprint: string, nickname: string, sampledOn: WallMs, sampledBy: string | undefined): Guard {
  return {
    fingerprint, nickname, sampledOn, sampledBy, listed: true, unlistedSince: undefined, confirmedOn: undefined, confirmedIndex: undefined, extra: '',
    reachable: 'maybe', lastTried: undefined, failingSince: undefined, pending: false, filtered: false,
  }
}

const knownFields: ReadonlySet<string> = new Set(['in', 'rsa_id', 'nickname', 'sampled_on', 'sampled_idx', 'sampled_by', 'unlisted_since', 'listed', 'confirmed_on', 'confirmed_idx'])

/** The value of one `Guard` line. Undefined when it names no selection or identity; other faults are mended, as C tor does. */
export function parseGuardLine(text: string, now: WallMs, indexWhenUnknown: number): GuardLine | undefined {
  const fields = new Map<string, string>()
  const extra: string[] = []
  for (const word of text.split(' ')) {
    if (word === '') continue
    const equals = word.indexOf('=')
    const key = word.slice(0, Math.max(equals, 0))
    // A field given twice counts once; the second stays as it is.
    if (equals < 0 || !knownFields.has(key) || fields.has(key)) extra.push(word)
    else fields.set(key, word.slice(equals + 1))
  }
  const selection = fields.get('in')
  const fingerprint = fields.get('rsa_id')?.toUpperCase()
  if (selection === undefined || selection === '' || fingerprint === undefined || !/^[0-9A-F]{40}$/.test(fingerprint)) return undefined
  const confirmedIndex = parseIndex(fields.get('confirmed_idx'))
  const listed = fields.get('listed')
  const guard: Guard = {
    ...newGuard(fingerprint, fields.get('nickname') ?? `$${fingerprint}`, parseSpacelessTime(fields.get('sampled_on')) ?? now, fields.get('sampled_by')),
    listed: listed !== undefined && listed !== '0',
    unlistedSince: parseSpacelessTime(fields.get('unlisted_since')),
    confirmedOn: confirmedIndex === undefined ? undefined : (parseSpacelessTime(fields.get('confirmed_on')) ?? now),
    confirmedIndex,
    extra: extra.join(' ').slice(0, guardExtraLengthMax),
  }
  // Lines from before prop310 have no sample order: the order of confirming stands for it.
  return { selection, sampledIndex: parseIndex(fields.get('sampled_idx')) ?? confirmedIndex ?? indexWhenUnknown, guard }
}

/** The value of a `Guard` line, in C tor's order of fields. */
export function formatGuardLine(selection: string, sampledIndex: number, guard: Guard): string {
  const words = [`in=${selection}`, `rsa_id=${guard.fingerprint}`]
  if (/^[A-Za-z0-9]{1,19}$/.test(guard.nickname)) words.push(`nickname=${guard.nickname}`)
  words.push(`sampled_on=${formatSpacelessTime(guard.sampledOn)}`, `sampled_idx=${sampledIndex}`)
  if (guard.sampledBy !== undefined) words.push(`sampled_by=${guard.sampledBy}`)
  if (guard.unlistedSince !== undefined) words.push(`unlisted_since=${formatSpacelessTime(guard.unlistedSince)}`)
  words.push(`listed=${guard.listed ? 1 : 0}`)
  if (guard.confirmedIndex !== undefined && guard.confirmedOn !== undefined) {
    words.push(`confirmed_on=${formatSpacelessTime(guard.confirmedOn)}`, `confirmed_idx=${guard.confirmedIndex}`)
  }
  if (guard.extra !== '') words.push(guard.extra)
  return words.join(' ')
}

const formatSpacelessTime = (time: WallMs): string => formatIsoTime(time).replace(' ', 'T')

function parseSpacelessTime(text: string | undefined): WallMs | undefined {
  return text === undefined || !/^\S{10}T\S{8}$/.test(text) ? undefined : parseIsoTime(text.replace('T', ' '))
}

function parseIndex(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
