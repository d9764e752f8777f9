/**
 * Content encodings of directory bodies (dir-spec §4, "compression methods"): which to ask for, which to answer with, and
 * both directions, with a bound on what a body may grow to. `x-zstd` and `x-tor-lzma` have their place in `bodyCodecs` and
 * are not offered: docs/INTEROP.md says why.
 */

import { deflateSync, gunzipSync, gzipSync, inflateSync, constants } from 'node:zlib'
import { concatBytes } from '../base/encoding.ts'
import { protocolError, RelishError } from '../base/errors.ts'
import { decodedBytesMax, expansionCheckedFromBytes, expansionMax } from './limits.ts'

export type ContentCoding = 'identity' | 'deflate' | 'gzip' | 'x-zstd' | 'x-tor-lzma'

export interface BodyCodec {
  compress(bytes: Uint8Array): Uint8Array
  /** At most `bytesMax` bytes come out; throws otherwise, and for malformed input. */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array
}

/** What can be done here, in order of preference. */
export const bodyCodecs: ReadonlyMap<ContentCoding, BodyCodec> = new Map<ContentCoding, BodyCodec>([
  ['gzip', { compress: (bytes) => gzipSync(bytes), decompress: (bytes, bytesMax) => gunzipSync(bytes, { maxOutputLength: bytesMax }) }],
  ['deflate', { compress: (bytes) => deflateSync(bytes), decompress: inflateAll }],
  ['identity', { compress: (bytes) => bytes, decompress: (bytes) => bytes }],
])

/** The value of an Accept-Encoding header that names all of them. */
export const acceptEncoding: string = [...bodyCodecs.keys()].join(', ')

/**
 * The encoding for an answer: the first of ours that the request accepts. Without an Accept-Encoding header, a target
 * that ends in `.z` asks for deflate and any other for identity (dir-spec §4).
 */
export function chooseCoding(acceptHeader: string | undefined, targetEndsInZ: boolean): ContentCoding {
  if (acceptHeader === undefined) return targetEndsInZ ? 'deflate' : 'identity'
  const accepted = acceptHeader.split(',').map((item) => item.trim().split(';')[0]?.trim().toLowerCase())
  for (const coding of bodyCodecs.keys()) if (accepted.includes(coding)) return coding
  return targetEndsInZ ? 'deflate' : 'identity'
}

export function compressBody(coding: ContentCoding, bytes: Uint8Array): Uint8Array {
  return codecFor(coding).compress(bytes)
}

/**
 * A body as it was before compression. `contentEncoding` is the header's value; absent means identity, except that a body
 * which begins like a zlib or gzip stream is taken for one, as C tor does. Throws `protocol` for malformed bodies and
 * `limit` for those that grow too much.
 */
export function decodeBody(contentEncoding: string | undefined, bytes: Uint8Array): Uint8Array {
  const coding = contentEncoding === undefined ? guessCoding(bytes) : parseCoding(contentEncoding)
  if (coding === 'identity' || bytes.length === 0) return bytes
  const bytesMax = Math.min(decodedBytesMax, Math.max(expansionCheckedFromBytes, bytes.length * expansionMax))
  try {
    const decoded = codecFor(coding).decompress(bytes, bytesMax)
    return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength)
  } catch (cause) {
    if (cause instanceof RelishError) throw cause
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE') {
      throw new RelishError('limit', `a body of ${bytes.length} bytes grows past ${bytesMax} when decompressed`, { cause })
    }
    throw protocolError(`malformed ${coding} body`, cause)
  }
}

function parseCoding(text: string): ContentCoding {
  const coding = text.trim().toLowerCase().replace(/^x-(gzip)$/, '$1')
  if (coding === '' || coding === 'none') return 'identity'
  for (const known of bodyCodecs.keys()) if (known === coding) return known
  throw protocolError(`unknown content encoding "${text.slice(0, 40)}"`)
}

function guessCoding(bytes: Uint8Array): ContentCoding {
  const [first, second] = bytes
  if (first === 0x1f && second === 0x8b) return 'gzip'
  // RFC 1950 §2.2: method 8, and the two bytes together a multiple of 31. Documents are text, which never starts so.
  if (first !== undefined && second !== undefined && (first & 15) === 8 && (first * 256 + second) % 31 === 0) return 'deflate'
  return 'identity'
}

function codecFor(coding: ContentCoding): BodyCodec {
  const codec = bodyCodecs.get(coding)
  if (codec === undefined) throw new RelishError('unavailable', `content encoding ${coding} is not available`)
  return codec
}

/** A body may be several zlib streams one after the other. */
function inflateAll(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const parts: Uint8Array[] = []
  let left = bytesMax
  for (let at = 0; at < bytes.length; ) {
    // The overload with `info` also tells how much input one stream took; the type definitions do not know it.
    const result = inflateSync(bytes.subarray(at), { maxOutputLength: Math.max(left, 1), finishFlush: constants.Z_FINISH, info: true }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    parts.push(result.buffer)
    left -= result.buffer.length
    if (left < 0 || result.engine.bytesWritten === 0) throw protocolError('malformed deflate body')
    at += result.engine.bytesWritten
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : concatBytes(parts)
}
