/**
 * Content encodings of directory bodies (dir-spec §4, "compression methods"): which to ask for, which to answer with, and
 * both directions, with a bound on what a body may grow to. `x-zstd` is there where the running Node.js has it, 22.15 and
 * later. `x-tor-lzma` is not: docs/INTEROP.md says why.
 */

import * as zlib from 'node:zlib'
import { concatBytes } from '../base/encoding.ts'
import { protocolError, RelishError } from '../base/errors.ts'
import { decodedBytesMax, expansionCheckedFromBytes, expansionMax, zstdWindowLogMax } from './limits.ts'

export type ContentCoding = 'identity' | 'deflate' | 'gzip' | 'x-zstd'

export interface BodyCodec {
  compress(bytes: Uint8Array): Uint8Array
  /** At most `bytesMax` bytes come out; throws otherwise, and for malformed input. */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array
}

/** What `node:zlib` has of Zstandard, where it has it; the type definitions are those of Node.js 20. */
interface ZstdOfNode {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array
  zstdDecompressSync?(bytes: Uint8Array, options: { readonly maxOutputLength: number; readonly params: Readonly<Record<number, number>> }): Uint8Array
  readonly constants: { readonly ZSTD_d_windowLogMax?: number }
}

function zstdCodec({ zstdCompressSync, zstdDecompressSync, constants }: ZstdOfNode): [ContentCoding, BodyCodec][] {
  const windowLog = constants.ZSTD_d_windowLogMax
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined || windowLog === undefined) return []
  const decompress = (bytes: Uint8Array, bytesMax: number): Uint8Array => zstdDecompressSync(bytes, { maxOutputLength: bytesMax, params: { [windowLog]: zstdWindowLogMax } })
  return [['x-zstd', { compress: (bytes) => zstdCompressSync(bytes), decompress }]]
}

/** What can be done here, in order of preference. */
export const bodyCodecs: ReadonlyMap<ContentCoding, BodyCodec> = new Map<ContentCoding, BodyCodec>([
  ...zstdCodec(zlib as unknown as ZstdOfNode),
  ['gzip', { compress: (bytes) => zlib.gzipSync(bytes), decompress: (bytes, bytesMax) => zlib.gunzipSync(bytes, { maxOutputLength: bytesMax }) }],
  ['deflate', { compress: (bytes) => zlib.deflateSync(bytes), decompress: inflateAll }],
  ['identity', { compress: (bytes) => bytes, decompress: (bytes) => bytes }],
])

/** What every version of Node.js can do. */
const commonCodings: readonly ContentCoding[] = Object.freeze(['gzip', 'deflate', 'identity'] as const)
const availableCodings: readonly ContentCoding[] = Object.freeze([...bodyCodecs.keys()])

/** What to ask for and to answer with. `variesByPlatform`: whether the bytes of a run may depend on the version of Node.js. */
export const codingsToUse = (variesByPlatform: boolean | undefined): readonly ContentCoding[] => (variesByPlatform === true ? availableCodings : commonCodings)

/**
 * The encoding for an answer: the first of `codings` that the request accepts. Without an Accept-Encoding header, a target
 * that ends in `.z` asks for deflate and any other for identity (dir-spec §4).
 */
export function chooseCoding(acceptHeader: string | undefined, targetEndsInZ: boolean, codings: readonly ContentCoding[]): ContentCoding {
  if (acceptHeader === undefined) return targetEndsInZ ? 'deflate' : 'identity'
  const accepted = acceptHeader.split(',').map((item) => item.trim().split(';')[0]?.trim().toLowerCase())
  for (const coding of codings) if (accepted.includes(coding)) return coding
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
  // RFC 8878 §3.1.1.
  if (first === 0x28 && second === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return 'x-zstd'
  // RFC 1950 §2.2: method 8, and the two bytes together a multiple of 31. Documents are text, which never starts so.
  if (first !== undefined && second !== undefined && (first & 15) === 8 && (first * 256 + second) % 31 === 0) return 'deflate'
  return 'identity'
}

function codecFor(coding: ContentCoding): BodyCodec {
  const codec = bodyCodecs.get(coding)
  if (codec === undefined) throw protocolError(`content encoding ${coding}, which this Node.js does not have`)
  return codec
}

/** A body may be several zlib streams one after the other. */
function inflateAll(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const parts: Uint8Array[] = []
  let left = bytesMax
  for (let at = 0; at < bytes.length; ) {
    // The overload with `info` also tells how much input one stream took; the type definitions do not know it.
    const result = zlib.inflateSync(bytes.subarray(at), { maxOutputLength: Math.max(left, 1), finishFlush: zlib.constants.Z_FINISH, info: true }) as unknown as {
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
