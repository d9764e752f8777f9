/**
 * `bytes-in-order`: what an exit writes to a server is what an application wrote to its client, from the first byte on;
 * what the client gives the application is what the exit read from the server. Which connection of an exit belongs to
 * which of an application, nobody says: those are candidates whose port and bytes fit, and when none is left, bytes were
 * lost, repeated, changed or invented.
 */

import { SocksCommand, SocksStatus } from '../../core/socks/message.ts'
import { SocksServerHandshake } from '../../core/socks/server-handshake.ts'
import { ledgerBytesMax, ledgerClosedKeptMs } from '../limits.ts'
import type { StreamTap } from '../tap/network-tap.ts'
import type { Report } from './violation.ts'

export class ByteLedger {
  readonly #report: Report
  readonly #now: () => number
  /** By the port that was asked for. */
  readonly #applications = new Map<number, Application[]>()

  constructor(report: Report, now: () => number) {
    this.#report = report
    this.#now = now
  }

  /** A connection of an application to the SOCKS port of `client`. */
  application(client: string): StreamTap {
    const application = new Application(client)
    return {
      fromPeer: (chunk) => {
        if (application.readRequest(chunk)) this.#list(application)
        return chunk
      },
      fromNode: (chunk) => {
        const bytes = application.afterReply(chunk)
        if (bytes.length > 0) this.#answered(application, bytes)
        return chunk
      },
      closed: () => {
        application.closedAtMs = this.#now()
      },
    }
  }

  /** A connection of `exit` to a server. */
  server(exit: string, port: number): StreamTap {
    const server = new Server(exit)
    for (const application of this.#applications.get(port) ?? []) {
      server.candidates.add(application)
      application.candidates.add(server)
    }
    return {
      fromNode: (chunk) => {
        this.#asked(server, chunk)
        return chunk
      },
      fromPeer: (chunk) => {
        server.down.append(chunk)
        return chunk
      },
      closed: () => {
        for (const application of server.candidates) if (application.closedAtMs !== undefined) this.#forget(application)
      },
    }
  }

  #list(application: Application): void {
    const known = this.#applications.get(application.port) ?? []
    const kept = known.filter((one) => one.closedAtMs === undefined || this.#now() - one.closedAtMs < ledgerClosedKeptMs)
    this.#applications.set(application.port, [...kept, application])
  }

  #forget(application: Application): void {
    const known = this.#applications.get(application.port)
    if (known !== undefined) this.#applications.set(application.port, known.filter((one) => one !== application))
  }

  /** An exit writes: the candidates are those whose application has sent just that, at this place. */
  #asked(server: Server, chunk: Uint8Array): void {
    for (const application of [...server.candidates]) if (!application.up.has(server.upBytes, chunk)) part(application, server)
    if (server.candidates.size === 0) {
      this.#report('bytes-in-order', server.exit, `it writes to a server what no application has sent, after ${server.upBytes} bytes that one has`)
    }
    server.upBytes += chunk.length
    const [only, another] = server.candidates
    if (only !== undefined && another === undefined) only.up.forget(server.upBytes)
  }

  /** A client gives an application bytes: they are what a server has sent, at this place. */
  #answered(application: Application, chunk: Uint8Array): void {
    for (const server of [...application.candidates]) if (!server.down.has(application.downBytes, chunk)) part(application, server)
    if (application.candidates.size === 0) {
      this.#report('bytes-in-order', application.client, `it gives an application what no server has sent, after ${application.downBytes} bytes that one has`)
    }
    application.downBytes += chunk.length
    const [only, another] = application.candidates
    if (only !== undefined && another === undefined) only.down.forget(application.downBytes)
  }
}

function part(application: Application, server: Server): void {
  server.candidates.delete(application)
  application.candidates.delete(server)
}

class Server {
  readonly exit: string
  readonly candidates = new Set<Application>()
  readonly down = new Kept()
  upBytes = 0

  constructor(exit: string) {
    this.exit = exit
  }
}

class Application {
  readonly client: string
  readonly candidates = new Set<Server>()
  readonly up = new Kept()
  downBytes = 0
  port = 0
  closedAtMs: number | undefined
  #state: 'handshake' | 'stream' | 'other' = 'handshake'
  readonly #handshake = new SocksServerHandshake()
  #version: 4 | 5 = 5
  /** Bytes of replies that come before the data: known ones, and then the last reply. */
  #replyBytes = 0
  #reply: Uint8Array | undefined = new Uint8Array(0)

  constructor(client: string) {
    this.client = client
  }

  /** True once: the request for a stream is complete. */
  readRequest(chunk: Uint8Array): boolean {
    if (this.#state === 'stream') this.up.append(chunk)
    if (this.#state !== 'handshake') return false
    const step = this.#handshake.handle(chunk)
    this.#replyBytes += step.reply.length
    if (step.kind === 'more') return false
    this.#state = step.kind === 'request' && step.request.command === SocksCommand.CONNECT ? 'stream' : 'other'
    if (step.kind !== 'request' || this.#state !== 'stream') return false
    this.#version = step.request.version
    this.port = step.request.port
    this.up.append(step.early)
    return true
  }

  /** What of a chunk for the application is data of its stream. */
  afterReply(chunk: Uint8Array): Uint8Array {
    if (this.#state === 'other') return nothing
    const reply = this.#reply
    if (reply === undefined) return chunk
    const all = Buffer.concat([reply, chunk])
    const length = this.#state === 'stream' ? finalReplyBytes(all.subarray(this.#replyBytes), this.#version) : undefined
    if (length === undefined) {
      this.#reply = all
      return nothing
    }
    if (length === 'refused') this.#state = 'other'
    this.#reply = undefined
    return length === 'refused' ? nothing : all.subarray(this.#replyBytes + length)
  }
}

const nothing = new Uint8Array(0)

/** Length of the reply that says yes; undefined as long as it is not complete (RFC 1928 §6; SOCKS 4 has 8 bytes). */
function finalReplyBytes(reply: Uint8Array, version: 4 | 5): number | 'refused' | undefined {
  if (version === 4) return reply.length < 8 ? undefined : reply[1] === 0x5a ? 8 : 'refused'
  const [, status, , kind, first] = reply
  if (first === undefined) return undefined
  if (status !== SocksStatus.SUCCEEDED) return 'refused'
  const length = 6 + (kind === 1 ? 4 : kind === 4 ? 16 : 1 + first)
  return reply.length < length ? undefined : length
}

/** Bytes that went in at one end, as long as they may still come out at the other. */
class Kept {
  #chunks: Uint8Array[] = []
  /** Offset of the first byte that is kept. */
  #from = 0
  #to = 0

  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk.slice())
    this.#to += chunk.length
    // Nobody has asked for so much for so long: it is compared no more.
    while (this.#to - this.#from > ledgerBytesMax) this.#from += this.#chunks.shift()?.length ?? 0
  }

  /** Whether `bytes` are those from `at` on. What is no longer kept is taken for equal. */
  has(at: number, bytes: Uint8Array): boolean {
    if (at + bytes.length > this.#to) return false
    let start = this.#from
    for (const chunk of this.#chunks) {
      const end = start + chunk.length
      const from = Math.max(start, at)
      const to = Math.min(end, at + bytes.length)
      if (from < to && Buffer.compare(chunk.subarray(from - start, to - start), bytes.subarray(from - at, to - at)) !== 0) return false
      start = end
      if (start >= at + bytes.length) break
    }
    return true
  }

  /** What lies before `offset` has come out. */
  forget(offset: number): void {
    for (let first = this.#chunks[0]; first !== undefined && this.#from + first.length <= offset; first = this.#chunks[0]) {
      this.#from += first.length
      this.#chunks.shift()
    }
  }
}
