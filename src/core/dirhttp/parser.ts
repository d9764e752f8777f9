/**
 * Incremental parsers for requests and responses. `feed` answers with the message once it is complete, undefined while
 * more is needed, and throws `protocol` for malformed input or `limit` for more than we take: close the connection then.
 */

import { concatBytes, latin1Decode } from '../base/encoding.ts'
import { protocolError, RelishError } from '../base/errors.ts'
import { bodyBytesMax, headerBytesMax, headerLinesMax } from './limits.ts'
import { headerOf, type HttpHeader, type HttpRequest, type HttpResponse } from './message.ts'

export interface ParserLimits {
  /** Largest body taken; `bodyBytesMax` unless given. */
  readonly bodyBytesMax?: number
}

interface Head {
  readonly first: string
  readonly headers: readonly HttpHeader[]
  /** Undefined when there is no Content-Length. */
  readonly bodyLength: number | undefined
}

/** What both parsers share: collecting the head, then a body of known or unknown length. */
class MessageAssembler {
  readonly #bodyMax: number
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #head: Head | undefined
  #rest: Uint8Array = new Uint8Array(0)

  constructor(limits: ParserLimits) {
    this.#bodyMax = limits.bodyBytesMax ?? bodyBytesMax
  }

  get head(): Head | undefined {
    return this.#head
  }

  /** Bytes that came after the message. */
  get rest(): Uint8Array {
    return this.#rest
  }

  /** Takes a copy of `chunk`. True once the body is complete, where its length is known. */
  feed(chunk: Uint8Array, absentLength: number | undefined): boolean {
    if (chunk.length > 0) {
      this.#pending.push(chunk.slice())
      this.#pendingBytes += chunk.length
    }
    if (this.#head === undefined && !this.#readHead()) return false
    const wanted = this.#head?.bodyLength ?? absentLength
    if ((wanted ?? this.#pendingBytes) > this.#bodyMax) throw new RelishError('limit', `an HTTP body has at most ${this.#bodyMax} bytes`)
    return wanted !== undefined && this.#pendingBytes >= wanted
  }

  takeBody(length: number): Uint8Array {
    const all = concatBytes(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    this.#rest = all.slice(length)
    return length === all.length ? all : all.slice(0, length)
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  #readHead(): boolean {
    const joined = this.#pending.length === 1 ? this.#pending[0] : concatBytes(this.#pending)
    if (joined === undefined) return false
    const end = findHeadEnd(joined)
    if (end === undefined) {
      if (joined.length > headerBytesMax) throw new RelishError('limit', `HTTP headers have at most ${headerBytesMax} bytes`)
      this.#pending = [joined]
      return false
    }
    if (end > headerBytesMax) throw new RelishError('limit', `HTTP headers have at most ${headerBytesMax} bytes`)
    this.#head = parseHead(latin1Decode(joined.subarray(0, end)))
    this.#pending = end + 4 === joined.length ? [] : [joined.subarray(end + 4)]
    this.#pendingBytes = joined.length - end - 4
    return true
  }
}

/** Offset of the empty line that ends the head. */
function findHeadEnd(bytes: Uint8Array): number | undefined {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at
  }
  return undefined
}

function parseHead(text: string): Head {
  const [first, ...lines] = text.split('\r\n')
  if (lines.length > headerLinesMax) throw new RelishError('limit', `an HTTP message has at most ${headerLinesMax} header lines`)
  const headers = lines.map((line) => {
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line)
    if (match === null) throw protocolError('malformed HTTP header line')
    return { name: match[1] ?? '', value: match[2] ?? '' }
  })
  if (headerOf({ headers }, 'transfer-encoding') !== undefined) throw protocolError('directories do not use Transfer-Encoding')
  return { first: first ?? '', headers, bodyLength: contentLength(headers) }
}

function contentLength(headers: readonly HttpHeader[]): number | undefined {
  const lengths = headers.filter((header) => header.name.toLowerCase() === 'content-length').map((header) => header.value)
  if (lengths.length === 0) return undefined
  if (new Set(lengths).size > 1 || !/^\d{1,15}$/.test(lengths[0] ?? '')) throw protocolError('malformed Content-Length')
  return Number(lengths[0])
}

/** Parses one request. A request without Content-Length has no body. */
export class RequestParser {
  readonly #assembler: MessageAssembler
  #done = false

  constructor(limits: ParserLimits = {}) {
    this.#assembler = new MessageAssembler(limits)
  }

  /** Bytes that followed the request; empty until it is complete. */
  get rest(): Uint8Array {
    return this.#assembler.rest
  }

  feed(chunk: Uint8Array): HttpRequest | undefined {
    if (this.#done) throw protocolError('data after the request')
    const complete = this.#assembler.feed(chunk, 0)
    const head = this.#assembler.head
    if (head === undefined) return undefined
    const line = parseRequestLine(head.first)
    if (!complete) return undefined
    this.#done = true
    return { ...line, headers: head.headers, body: this.#assembler.takeBody(head.bodyLength ?? 0) }
  }
}

function parseRequestLine(first: string): { method: string; target: string } {
  const match = /^([A-Z]{1,16}) ([\x21-\x7e]+) HTTP\/1\.[01]$/.exec(first)
  if (match === null) throw protocolError('malformed HTTP request line')
  // A proxy's form of the target names the host too; only the path counts.
  const target = (match[2] ?? '').replace(/^http:\/\/[^/]*/i, '')
  if (!target.startsWith('/')) throw protocolError('an HTTP request target begins with /')
  return { method: match[1] ?? '', target }
}

/** Parses one response. Without Content-Length the body lasts until `end`. */
export class ResponseParser {
  readonly #assembler: MessageAssembler
  #done = false

  constructor(limits: ParserLimits = {}) {
    this.#assembler = new MessageAssembler(limits)
  }

  get rest(): Uint8Array {
    return this.#assembler.rest
  }

  feed(chunk: Uint8Array): HttpResponse | undefined {
    if (this.#done) throw protocolError('data after the response')
    const complete = this.#assembler.feed(chunk, undefined)
    const head = this.#assembler.head
    if (head === undefined) return undefined
    const line = parseStatusLine(head.first)
    if (bodiless(line.status)) return this.#finish(line, head, 0)
    return complete ? this.#finish(line, head, head.bodyLength ?? 0) : undefined
  }

  /** The other side has closed: the response, if that is where it ends. Throws `protocol` for one that was cut off. */
  end(): HttpResponse {
    const head = this.#assembler.head
    if (this.#done || head === undefined) throw protocolError('connection closed before an HTTP response')
    if (head.bodyLength !== undefined) throw protocolError('HTTP response shorter than its Content-Length')
    return this.#finish(parseStatusLine(head.first), head, this.#assembler.pendingBytes)
  }

  #finish(line: { status: number; reason: string }, head: Head, bodyLength: number): HttpResponse {
    this.#done = true
    return { ...line, headers: head.headers, body: this.#assembler.takeBody(bodyLength) }
  }
}

const bodiless = (status: number): boolean => status === 304 || status === 204

function parseStatusLine(first: string): { status: number; reason: string } {
  const match = /^HTTP\/1\.[01] ([1-5]\d\d)(?: ([^\r\n\0]*))?$/.exec(first)
  if (match === null) throw protocolError('malformed HTTP status line')
  return { status: Number(match[1]), reason: match[2] ?? '' }
}
