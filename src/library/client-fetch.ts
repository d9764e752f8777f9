/** `fetch` through a client: the library's own connections under undici's HTTP. */

import type { Duplex } from 'node:stream'
import type { Agent } from 'undici'
import type { ClientOptions } from './api.ts'

/** Opens a stream to a name or address. */
export type Connect = (host: string, port: number) => Promise<Duplex>

export interface FetcherOptions {
  readonly connect: Connect
  readonly tls: ClientOptions['tls']
  /** Whether connections are kept for later requests. An idle one would keep a simulation's time going. */
  readonly keepAlive: boolean
}

/** Statuses whose responses have no body (Fetch Standard, "null body status"). */
const bodyless: readonly number[] = [101, 103, 204, 205, 304]

export class Fetcher {
  readonly #options: FetcherOptions
  #agent: Promise<Agent> | undefined

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  async fetch(url: string | URL | Request, init?: RequestInit): Promise<Response> {
    const { fetch } = await import('undici')
    // The global classes and undici's own do not know each other: what passes between them is plain.
    const request = new Request(url, init)
    const answer = await fetch(request.url, {
      method: request.method,
      headers: [...request.headers],
      body: request.body === null ? null : new Uint8Array(await request.arrayBuffer()),
      redirect: request.redirect,
      signal: request.signal,
      dispatcher: await this.#dispatcher(),
    })
    const body = bodyless.includes(answer.status) ? null : (answer.body as ReadableStream | null)
    const response = new Response(body, { status: answer.status, statusText: answer.statusText, headers: [...answer.headers] })
    Object.defineProperty(response, 'url', { value: answer.url })
    Object.defineProperty(response, 'redirected', { value: answer.redirected })
    return response
  }

  async close(): Promise<void> {
    await (await this.#agent)?.destroy()
  }

  #dispatcher(): Promise<Agent> {
    this.#agent ??= this.#makeAgent()
    return this.#agent
  }

  async #makeAgent(): Promise<Agent> {
    const [{ Agent }, tls] = await Promise.all([import('undici'), import('node:tls')])
    return new Agent({
      ...(this.#options.keepAlive ? {} : { pipelining: 0 }),
      connect: ({ hostname, port, protocol, servername }, done) => {
        const secure = protocol === 'https:'
        const host = hostname.replace(/^\[|\]$/g, '')
        this.#options.connect(host, port === '' ? (secure ? 443 : 80) : Number(port)).then(
          (stream) => {
            // undici takes any stream of Node.js, though its types say socket.
            if (!secure) {
              done(null, stream as Parameters<typeof done>[1] & object)
              return
            }
            const socket = tls.connect({ socket: stream, servername: servername ?? host, ALPNProtocols: ['http/1.1'], ...this.#options.tls })
            socket.once('secureConnect', () => done(null, socket))
            socket.once('error', (error) => done(error, null))
          },
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
        )
      },
    })
  }
}
