/**
 * Messages of the HTTP that directories speak (dir-spec §4, §5; RFC 1945): one request and one response per connection or
 * stream, bodies with a Content-Length or, for responses, until the end. This is not a general HTTP library: no chunked
 * bodies, no persistent connections, no continuation lines.
 */

import { concatBytes, latin1Encode } from '../base/encoding.ts'
import { assert } from '../base/assert.ts'

export interface HttpHeader {
  readonly name: string
  readonly value: string
}

export interface HttpRequest {
  readonly method: string
  /** Path with query, beginning with `/`. */
  readonly target: string
  readonly headers: readonly HttpHeader[]
  readonly body: Uint8Array
}

export interface HttpResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly HttpHeader[]
  /** As on the wire: still compressed where Content-Encoding says so. */
  readonly body: Uint8Array
}

/** The first header of that name; upper and lower case are the same. */
export function headerOf(message: { readonly headers: readonly HttpHeader[] }, name: string): string | undefined {
  const wanted = name.toLowerCase()
  return message.headers.find((header) => header.name.toLowerCase() === wanted)?.value
}

/** The reasons that C tor gives, for statuses that directories use. */
export function reasonFor(status: number): string {
  return reasons.get(status) ?? 'Unknown'
}

const reasons: ReadonlyMap<number, string> = new Map([
  [200, 'OK'],
  [304, 'Not modified'],
  [400, 'Bad request'],
  [403, 'Forbidden'],
  [404, 'Not found'],
  [405, 'Method not allowed'],
  [406, 'Not acceptable'],
  [413, 'Request entity too large'],
  [500, 'Internal server error'],
  [503, 'Directory busy, try again later'],
])

/** A request as bytes. `Content-Length` is added when there is a body and the header is not given. */
export function emitRequest(request: HttpRequest): Uint8Array {
  assert(/^\/[\x21-\x7e]*$/.test(request.target), 'a request target is printable and begins with /')
  const needsLength = request.body.length > 0 && headerOf(request, 'content-length') === undefined
  return emit(`${request.method} ${request.target} HTTP/1.0`, request.headers, request.body, needsLength)
}

/** A response as bytes. `Content-Length` is added when the header is not given, so that a cut body is noticed. */
export function emitResponse(response: HttpResponse): Uint8Array {
  const needsLength = response.status !== 304 && headerOf(response, 'content-length') === undefined
  return emit(`HTTP/1.0 ${response.status} ${response.reason}`, response.headers, response.body, needsLength)
}

function emit(first: string, headers: readonly HttpHeader[], body: Uint8Array, needsLength: boolean): Uint8Array {
  const lines = [first]
  for (const header of headers) {
    assert(!/[\r\n]/.test(header.name + header.value), 'a header is one line')
    lines.push(`${header.name}: ${header.value}`)
  }
  if (needsLength) lines.push(`Content-Length: ${body.length}`)
  const head = latin1Encode(`${lines.join('\r\n')}\r\n\r\n`)
  return body.length === 0 ? head : concatBytes([head, body])
}
