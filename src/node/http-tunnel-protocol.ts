/**
 * HTTP CONNECT as an application protocol, for HTTPTunnelPort (RFC 9110 §9.3.6; answers and headers as C tor 0.4.9 has them).
 *
 * Not an HTTP proxy: only CONNECT, and OPTIONS for what runs on this machine, are answered with success.
 */

import { concatBytes, latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { EndReason } from '../core/cell/commands.ts'
import { parseIp, parsePort } from '../core/ident/address.ts'
import type { ApplicationProtocol, ProtocolRequest, ProtocolStep } from './application-protocol.ts'
import { httpTunnelHeaderBytesMax } from './client-limits.ts'
import { LocalReason } from './end-reasons.ts'

const nothing = new Uint8Array(0)
const fixedHeaders = 'Tor-Capabilities: \r\n'

export class HttpTunnelProtocol implements ApplicationProtocol {
  readonly #version: string
  #buffer: Uint8Array = nothing

  /** `version`: of this program, for the Via header. */
  constructor(version: string) {
    this.#version = version
  }

  handle(chunk: Uint8Array): ProtocolStep {
    this.#buffer = concatBytes([this.#buffer, chunk])
    const text = latin1Decode(this.#buffer.subarray(0, httpTunnelHeaderBytesMax))
    const end = text.indexOf('\r\n\r\n')
    if (end < 0) {
      if (this.#buffer.length < httpTunnelHeaderBytesMax) return { kind: 'more', reply: nothing }
      return { kind: 'refused', reply: nothing, level: 'info', words: `HTTP request with more than ${httpTunnelHeaderBytesMax} bytes of headers` }
    }
    const [first = '', ...lines] = text.slice(0, end).split('\r\n')
    const command = /^([A-Za-z]+) (\S+) HTTP\/1\.[01]$/.exec(first)
    if (command === null) return { kind: 'refused', reply: nothing, level: 'info', words: 'malformed HTTP request' }
    const method = (command[1] ?? '').toUpperCase()
    const target = command[2] ?? ''
    if (method === 'OPTIONS' && isLocal(header(lines, 'host'))) return this.#refuse('HTTP/1.0 200 OK', 'debug', 'HTTP OPTIONS answered', 'Allow: OPTIONS, CONNECT\r\n')
    if (method !== 'CONNECT') return this.#refuse('HTTP/1.0 405 Method Not Allowed', 'info', `HTTP ${method.slice(0, 20)} refused: this is a tunnel, which takes CONNECT`)
    const request = connectRequest(target, lines)
    if (request === undefined) return this.#refuse('HTTP/1.0 400 Bad Request', 'info', 'malformed target of HTTP CONNECT')
    return { kind: 'request', reply: nothing, request, early: this.#buffer.slice(end + 4) }
  }

  connected(): Uint8Array {
    return this.#answer('HTTP/1.0 200 OK')
  }

  /** CONNECT asks no questions. */
  answered(): Uint8Array {
    return nothing
  }

  failed(reason: number): Uint8Array {
    const name = reason < 256 ? `end/${EndReason.nameOf(reason)}` : `c-tor/${localNames.get(reason) ?? 'UNKNOWN'}`
    return this.#answer(statusLines.get(reason) ?? 'HTTP/1.0 500 Internal Server Error (weird end reason)', `Tor-Request-Failed: ${name}\r\n`)
  }

  #answer(statusLine: string, more = ''): Uint8Array {
    return latin1Encode(`${statusLine}\r\n${fixedHeaders}Via: tor/1.0 tor-network (tor ${this.#version})\r\n${more}\r\n`)
  }

  #refuse(statusLine: string, level: 'info' | 'debug', words: string, more = ''): ProtocolStep {
    return { kind: 'refused', reply: latin1Encode(`${statusLine}\r\n${more}${fixedHeaders}Server: tor/1.0 (tor ${this.#version})\r\n\r\n`), level, words }
  }
}

function connectRequest(target: string, lines: readonly string[]): ProtocolRequest | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d+)$/.exec(target)
  const host = match?.[1] ?? match?.[2]
  const port = parsePort(match?.[3] ?? '', true)
  if (host === undefined || port === undefined) return undefined
  // C tor keeps streams apart by both headers.
  const credentials = [header(lines, 'proxy-authorization'), header(lines, 'x-tor-stream-isolation')]
  const given = credentials.some((value) => value !== undefined)
  return {
    kind: 'connect',
    host,
    port,
    credentials: given ? `http:${JSON.stringify(credentials.map((value) => value ?? null))}` : '',
    protocol: 'http-connect',
    numeric: parseIp(host) !== undefined,
  }
}

function header(lines: readonly string[], name: string): string | undefined {
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0 && line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim()
  }
  return undefined
}

const isLocal = (host: string | undefined): boolean => host !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host)

/** C tor's end_reason_to_http_connect_response_line. */
const statusLines: ReadonlyMap<number, string> = new Map<number, string>([
  [EndReason.MISC, 'HTTP/1.0 500 Internal Server Error'],
  [EndReason.RESOLVEFAILED, 'HTTP/1.0 503 Service Unavailable (resolve failed)'],
  [EndReason.NOROUTE, 'HTTP/1.0 503 Service Unavailable (no route)'],
  [EndReason.CONNECTREFUSED, 'HTTP/1.0 403 Forbidden (connection refused)'],
  [EndReason.EXITPOLICY, 'HTTP/1.0 403 Forbidden (exit policy)'],
  [EndReason.DESTROY, 'HTTP/1.0 502 Bad Gateway (destroy cell received)'],
  [EndReason.DONE, 'HTTP/1.0 502 Bad Gateway (unexpected close)'],
  [EndReason.TIMEOUT, 'HTTP/1.0 504 Gateway Timeout'],
  [EndReason.HIBERNATING, 'HTTP/1.0 502 Bad Gateway (hibernating server)'],
  [EndReason.INTERNAL, 'HTTP/1.0 502 Bad Gateway (internal error)'],
  [EndReason.RESOURCELIMIT, 'HTTP/1.0 502 Bad Gateway (resource limit)'],
  [EndReason.CONNRESET, 'HTTP/1.0 403 Forbidden (connection reset)'],
  [EndReason.TORPROTOCOL, 'HTTP/1.0 502 Bad Gateway (tor protocol violation)'],
  [LocalReason.ENTRYPOLICY, 'HTTP/1.0 403 Forbidden (entry policy violation)'],
])

const localNames: ReadonlyMap<number, string> = new Map<number, string>(Object.entries(LocalReason).map(([name, reason]) => [reason, name]))
