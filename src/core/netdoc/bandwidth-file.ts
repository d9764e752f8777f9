/**
 * Bandwidth files (bandwidth-file-spec §2): what a bandwidth scanner measured, for an authority to vote. Lines that
 * cannot be used are counted and passed over, as C tor does: a scanner's slip must not cost a vote.
 */

import { RelishError } from '../base/errors.ts'
import { decimal } from './fields.ts'
import { maxBandwidthFileLength, maxBandwidthFileRelays, maxLineLength } from './limits.ts'

export interface BandwidthFile {
  readonly text: string
  /** Seconds since the epoch, from the first line. */
  readonly timestampSec: number
  /** `version` header; `1.0.0` for files without headers. */
  readonly version: string
  /** Headers in order, `version` included. */
  readonly headers: ReadonlyMap<string, string>
  readonly relays: readonly BandwidthLine[]
  /** Relay lines that were passed over. */
  readonly malformedLines: number
}

export interface BandwidthLine {
  /** Upper-case hex. */
  readonly fingerprint: string
  /** Unpadded base64 of `master_key_ed25519`. */
  readonly ed25519?: string
  /** Kilobytes a second, at least 1. */
  readonly bandwidth: number
  /** False for `vote=0`: measured, and not to be voted. */
  readonly vote: boolean
  /** All `key=value` words in order. */
  readonly values: ReadonlyMap<string, string>
}

/** Throws `bad-document` when the first line is no time; `limit` for a file that is too long. */
export function parseBandwidthFile(text: string): BandwidthFile {
  if (text.length > maxBandwidthFileLength) throw new RelishError('limit', `a bandwidth file has at most ${maxBandwidthFileLength} characters`)
  const firstEnd = text.indexOf('\n')
  const timestampSec = decimal(firstEnd < 0 ? text : text.slice(0, firstEnd))
  if (timestampSec === undefined || timestampSec < 0) {
    throw new RelishError('bad-document', 'bandwidth file, line 1: is no time in seconds', { position: { line: 1 } })
  }
  const headers = new Map<string, string>()
  const relays: BandwidthLine[] = []
  let malformedLines = 0
  let inHeaders = true
  for (const line of linesAfter(text, firstEnd)) {
    if (line === '') continue
    const isTerminator = line === '=====' || line === '===='
    if (inHeaders) {
      if (isTerminator) inHeaders = false
      // Files of version 1.0.0 have no headers and no terminator: the first relay line ends what there is none of.
      else if (readHeader(line, headers)) continue
      else inHeaders = false
      if (isTerminator) continue
    }
    const relay = parseLine(line)
    if (relay === undefined) malformedLines++
    else if (relays.length === maxBandwidthFileRelays) throw new RelishError('limit', `a bandwidth file has at most ${maxBandwidthFileRelays} relays`)
    else relays.push(relay)
  }
  return { text, timestampSec, version: headers.get('version') ?? '1.0.0', headers, relays, malformedLines }
}

function* linesAfter(text: string, firstEnd: number): Generator<string> {
  for (let at = firstEnd < 0 ? text.length : firstEnd + 1; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    if (end - at > maxLineLength) throw new RelishError('bad-document', `bandwidth file: a line is longer than ${maxLineLength} characters`)
    yield text.slice(at, end)
    at = end + 1
  }
}

/** bandwidth-file-spec §2.2: `key=value`, alone on its line. Relay lines have several words or name a relay. */
function readHeader(line: string, headers: Map<string, string>): boolean {
  const equals = line.indexOf('=')
  if (equals < 1 || line.startsWith('node_id=') || line.includes(' node_id=') || line.startsWith('bw=')) return false
  headers.set(line.slice(0, equals), line.slice(equals + 1))
  return true
}

/** bandwidth-file-spec §2.3: `node_id=$FINGERPRINT bw=123 …`, in any order. */
function parseLine(line: string): BandwidthLine | undefined {
  const values = new Map<string, string>()
  for (const word of line.split(' ')) {
    if (word === '') continue
    const equals = word.indexOf('=')
    if (equals < 1) return undefined
    const key = word.slice(0, equals)
    if ((key === 'node_id' || key === 'bw') && values.has(key)) return undefined
    values.set(key, word.slice(equals + 1))
  }
  const fingerprint = values.get('node_id')
  const bandwidth = decimal(values.get('bw') ?? '')
  if (fingerprint === undefined || !/^\$?[0-9A-Fa-f]{40}$/.test(fingerprint) || bandwidth === undefined || bandwidth < 0 || bandwidth > 0xffffffff) return undefined
  const ed25519 = values.get('master_key_ed25519')
  return {
    fingerprint: fingerprint.replace('$', '').toUpperCase(),
    ...(ed25519 === undefined ? {} : { ed25519 }),
    // bandwidth-file-spec §2.3: zero is read as one.
    bandwidth: Math.max(bandwidth, 1),
    vote: values.get('vote') !== '0',
    values,
  }
}

/** The text of a file from its parts; a file of version 1.0.0 has no headers. */
export function emitBandwidthFile(file: Pick<BandwidthFile, 'timestampSec' | 'headers' | 'relays'>): string {
  const lines = [`${file.timestampSec}`]
  if (file.headers.size > 0) {
    for (const [key, value] of file.headers) lines.push(`${key}=${value}`)
    lines.push('=====')
  }
  for (const relay of file.relays) lines.push([...relay.values].map(([key, value]) => `${key}=${value}`).join(' '))
  return `${lines.join('\n')}\n`
}
