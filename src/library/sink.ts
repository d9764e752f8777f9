/** Servers for the clients of a network to reach: HTTP and echo on one address with a name, and who came. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { RelishError } from '../core/base/errors.ts'
import type { SocketAddress } from '../runtime/index.ts'
import type { NameQuestion, RunningNetwork } from '../testnet/backend/backend.ts'
import { listenStreams, type WorldListener, type WorldStream } from '../testnet/world-stream.ts'
import type { DnsVisit, EchoVisit, HttpVisit, Sink, SinkOptions, SinkResponse, Visit, VisitBase } from './api.ts'
import { sinkBodyBytesMax, sinkVisitsMax } from './limits.ts'
import { WorldDuplex } from './world-duplex.ts'

const passive = <T>(promise: Promise<T>): Promise<T> => promise

export class LibrarySink implements Sink {
  readonly name: string
  readonly host: string
  readonly #network: RunningNetwork
  readonly #respond: NonNullable<SinkOptions['respond']>
  readonly #http: Server
  readonly #open = new Set<WorldDuplex>()
  readonly #visitors = new WeakMap<WorldDuplex, VisitBase>()
  readonly #requests: HttpVisit[] = []
  readonly #connections: (EchoVisit & { bytes: number })[] = []
  readonly #echoStreams = new Set<WorldStream>()
  readonly #questionsBefore: number
  /** Who asked, as it was when that was first looked at: a node may be gone later. */
  readonly #askers = new Map<NameQuestion, Who>()
  #httpListener: WorldListener | undefined
  #echoListener: WorldListener | undefined
  #onClose: () => void = () => undefined

  private constructor(network: RunningNetwork, name: string, options: SinkOptions) {
    this.#network = network
    this.name = name
    this.host = network.placement.observerHost
    this.#respond = options.respond ?? (({ from }) => `${from.host}\n`)
    this.#questionsBefore = network.nameServer.questions.length
    this.#http = createServer((request, response) => void this.#serve(request, response))
  }

  /** `keep` gets what is to be closed with the network, and returns how to take it back. */
  static async open(network: RunningNetwork, name: string, options: SinkOptions, keep: (closable: { close(): unknown }) => () => void): Promise<LibrarySink> {
    const sink = new LibrarySink(network, name, options)
    sink.#echoListener = await listenStreams(network.observer, sink.host, (stream) => sink.#echo(stream))
    sink.#httpListener = await listenStreams(network.observer, sink.host, (stream) => {
      const duplex = new WorldDuplex(stream, passive, true)
      sink.#open.add(duplex)
      duplex.once('close', () => sink.#open.delete(duplex))
      duplex.on('error', () => undefined)
      sink.#visitors.set(duplex, { from: stream.remote, ...whoIs(network, stream.remote, 'tcp') })
      sink.#http.emit('connection', duplex)
      return Promise.resolve()
    })
    network.nameServer.setAddresses(name, [sink.host])
    sink.#onClose = keep(sink)
    return sink
  }

  get httpPort(): number {
    return this.#httpListener?.address.port ?? 0
  }

  get echoPort(): number {
    return this.#echoListener?.address.port ?? 0
  }

  get dns(): SocketAddress | undefined {
    return this.#network.placement.nameServer
  }

  get visits(): readonly (HttpVisit | EchoVisit)[] {
    return [...this.#requests, ...this.#connections.map((one) => ({ ...one }))].sort((a, b) => a.atMs - b.atMs)
  }

  get questions(): readonly DnsVisit[] {
    return this.#network.nameServer.questions.slice(this.#questionsBefore).map((question) => ({
      kind: 'dns',
      ...this.#asker(question),
      name: question.name,
      type: question.type,
    }))
  }

  url(path = '/'): string {
    return new URL(path, `http://${this.name}:${this.httpPort}/`).href
  }

  leaks(): readonly Visit[] {
    if (!this.#network.placement.distinctAddresses) throw new RelishError('unavailable', 'nodes share one address on this system: nobody can tell who came')
    return [...this.visits, ...this.questions].filter((visit) => visit.role !== 'exit')
  }

  close(): Promise<void> {
    this.#onClose()
    this.#httpListener?.close()
    this.#echoListener?.close()
    for (const stream of this.#echoStreams) stream.destroy()
    for (const duplex of this.#open) duplex.destroy()
    this.#http.closeAllConnections()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #asker(question: NameQuestion): VisitBase {
    const from = { host: question.from, port: question.fromPort ?? 0 }
    const who = this.#askers.get(question) ?? whoIs(this.#network, from, 'udp')
    this.#askers.set(question, who)
    return { from, ...who }
  }

  async #echo(stream: WorldStream): Promise<void> {
    const visit = { kind: 'echo' as const, from: stream.remote, ...whoIs(this.#network, stream.remote, 'tcp'), atMs: this.#network.clock.now(), bytes: 0 }
    if (this.#connections.length < sinkVisitsMax) this.#connections.push(visit)
    this.#echoStreams.add(stream)
    try {
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
        visit.bytes += chunk.length
        await stream.write(chunk)
      }
      stream.end()
    } finally {
      this.#echoStreams.delete(stream)
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const visitor = this.#visitors.get(request.socket as unknown as WorldDuplex)
      const body = await readBody(request)
      if (visitor === undefined || body === undefined) {
        response.writeHead(visitor === undefined ? 500 : 413).end()
        return
      }
      const visit: HttpVisit = {
        kind: 'http',
        ...visitor,
        atMs: this.#network.clock.now(),
        method: request.method ?? '',
        path: request.url ?? '',
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')])),
        body,
      }
      if (this.#requests.length < sinkVisitsMax) this.#requests.push(visit)
      const answer = await this.#respond(visit)
      const { status = 200, headers = {}, body: content = '' }: SinkResponse = typeof answer === 'string' ? { body: answer } : answer
      response.writeHead(status, typeof content === 'string' ? { 'content-type': 'text/plain; charset=utf-8', ...headers } : { ...headers }).end(content)
    } catch (error) {
      // What `respond` throws is the test's own; whoever asked sees it.
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
      response.end(error instanceof Error ? error.message : String(error))
    }
  }
}

type Who = Pick<VisitBase, 'node' | 'role'>

function whoIs(network: RunningNetwork, from: SocketAddress, transport: 'tcp' | 'udp'): Who {
  const name = network.nodeAt(from, transport)
  return { node: name, role: network.nodes().find((node) => node.name === name)?.role }
}

/** Undefined if it is too long. */
async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > sinkBodyBytesMax) return undefined
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
