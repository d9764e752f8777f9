/** A client in virtual time, with circuits that do what the test says, and applications that speak SOCKS to it. */

import { seconds, type DurationMs } from '../../src/core/base/time.ts'
import { concatBytes } from '../../src/core/base/encoding.ts'
import { defaultOptions } from '../../src/core/torrc/config.ts'
import { parsePortLines } from '../../src/core/torrc/port-spec.ts'
import type { TorOptions } from '../../src/core/torrc/option-table.ts'
import { emitRequest4, emitRequest5, SocksCommand } from '../../src/core/socks/message.ts'
import { BootstrapStatus } from '../../src/node/bootstrap-status.ts'
import { Client } from '../../src/node/client.ts'
import { NetworkView } from '../../src/node/network-view.ts'
import { StateStore } from '../../src/node/state-store.ts'
import type { NodeEvent } from '../../src/runtime/events.ts'
import type { ByteStream, Runtime } from '../../src/runtime/index.ts'
import { Simulation, type SimulationLogLine } from '../../src/sim/simulation.ts'
import { FakeCircuits, type FakeCircuit, type FakeWorld } from '../support/fake-circuits.ts'
import { madeUpConsensus } from '../support/made-up-consensus.ts'
import { networkStart, type MadeUpRelay } from '../support/made-up-network.ts'

export const basicRelays: readonly MadeUpRelay[] = [
  ...Array.from({ length: 3 }, (_, i) => ({ nickname: `auth${i}` })),
  ...Array.from({ length: 5 }, (_, i) => ({ nickname: `exit${i}`, exitsTo: 'all' as const })),
]

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'latin1'))

export class ClientBench {
  readonly simulation: Simulation
  readonly runtime: Runtime
  readonly circuits: FakeCircuits
  readonly view: NetworkView
  readonly client: Client
  readonly bootstrap: BootstrapStatus
  readonly state: StateStore
  options: TorOptions
  readonly events: NodeEvent[] = []
  readonly log: SimulationLogLine[] = []
  readonly #app: Runtime
  firstCircuits = 0
  readonly setbacks: string[] = []

  constructor(world: FakeWorld = {}, options: Partial<TorOptions> = {}, socksPort = '9050', before?: ClientBench, httpTunnelPort?: string) {
    this.simulation = before?.simulation ?? new Simulation({ seed: 'client', start: networkStart, logEnabled: () => true, logSink: (line) => this.log.push(line) })
    const machine = before === undefined ? this.simulation.addMachine({ name: 'client', addresses: ['127.0.0.1'] }) : this.simulation.machine('client')
    if (before !== undefined) for (const name of ['client', 'app']) before.simulation.machine(name).crash()
    this.runtime = machine.boot()
    this.#app = (before === undefined ? this.simulation.addMachine({ name: 'app', addresses: ['127.0.0.2', '127.0.0.3'] }) : this.simulation.machine('app')).boot()
    this.circuits = new FakeCircuits(this.runtime, world)
    const SocksPort = parsePortLines([{ keyword: 'SocksPort', value: socksPort, command: 'replace', position: {} }], 'socks')
    const HTTPTunnelPort = httpTunnelPort === undefined ? [] : parsePortLines([{ keyword: 'HTTPTunnelPort', value: httpTunnelPort, command: 'replace', position: {} }], 'http-tunnel')
    const all: TorOptions = { ...defaultOptions(), SocksPort, HTTPTunnelPort, ClientRejectInternalAddresses: false, ...options }
    this.options = all
    this.state = new StateStore(this.runtime, 'test')
    this.view = new NetworkView(this.runtime, all, this.state, { version: 'test', ownFingerprint: undefined })
    this.bootstrap = new BootstrapStatus(this.runtime.log, (event) => this.events.push(event))
    this.client = new Client({
      runtime: this.runtime, options: all, circuits: this.circuits, view: this.view, bootstrap: this.bootstrap,
      onEvent: (event) => this.events.push(event),
      onFirstCircuit: () => this.firstCircuits++,
      onNoCircuit: (words) => this.setbacks.push(words),
      onListenError: (error) => {
        throw error
      },
    })
    this.client.start()
  }

  /** The network becomes known. */
  learn(relays: readonly MadeUpRelay[] = basicRelays): this {
    const { consensus, lookup } = madeUpConsensus(relays)
    this.view.setConsensus(consensus, lookup)
    return this
  }

  /** As after SIGHUP. */
  reconfigure(change: Partial<TorOptions>, socksPorts?: readonly string[]): this {
    const SocksPort = socksPorts === undefined ? this.options.SocksPort : parsePortLines(socksPorts.map((value) => ({ keyword: 'SocksPort', value, command: 'replace', position: {} })), 'socks')
    this.options = { ...this.options, ...change, SocksPort }
    this.view.reconfigure(this.options)
    this.client.reconfigure(this.options)
    return this
  }

  run(time: DurationMs = seconds(1)): this {
    this.simulation.runFor(time)
    return this
  }

  until(condition: () => boolean, limit: DurationMs = seconds(10)): void {
    if (!this.simulation.runUntil(condition, limit)) throw new Error('the condition did not come about')
  }

  logged(words: string): boolean {
    return this.log.some((line) => line.message.includes(words))
  }

  /** Open circuits. */
  get open(): FakeCircuit[] {
    return this.circuits.all.filter((circuit) => circuit.state === 'open')
  }

  connect(port = 9050): App {
    return new App(this, this.#app, '127.0.0.2', port)
  }
}

/** An application: what it sends, and what it got. */
export class App {
  #stream: ByteStream | undefined
  #received: Uint8Array[] = []
  closed = false
  ended = false
  /** Nobody listens. */
  refused = false

  constructor(bench: ClientBench, runtime: Runtime, host: string, port: number) {
    runtime.network.dial({ target: { host: '127.0.0.1', port }, timeout: seconds(5), localHost: host }, {
      onConnect: (stream) => {
        this.#stream = stream
        stream.start({
          onData: (chunk) => this.#received.push(chunk.slice()),
          onEnd: () => {
            this.ended = true
          },
          onDrain: () => undefined,
          onClose: () => {
            this.closed = true
          },
        })
      },
      onError: () => {
        this.refused = true
      },
    })
    bench.until(() => this.#stream !== undefined || this.refused)
  }

  get stream(): ByteStream {
    if (this.#stream === undefined) throw new Error('not connected')
    return this.#stream
  }

  /** The other side has closed, one way or the other. */
  get isGone(): boolean {
    return this.ended || this.closed
  }

  get text(): string {
    return Buffer.concat(this.#received).toString('latin1')
  }

  /** Hexadecimal of all that came. */
  get hex(): string {
    return Buffer.concat(this.#received).toString('hex')
  }

  get bytes(): number {
    return this.#received.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  send(...parts: (string | Uint8Array)[]): this {
    this.stream.write(concatBytes(parts.map((part) => (typeof part === 'string' ? text(part) : part))))
    return this
  }

  /** SOCKS 5, without credentials unless they are given; all in one packet. */
  socks5(host: string, port: number, more: { command?: number; user?: string; password?: string; early?: string } = {}): this {
    const { user, password } = more
    const hello = user === undefined ? [Uint8Array.of(5, 1, 0)] : [Uint8Array.of(5, 1, 2), Uint8Array.of(1, user.length), text(user), Uint8Array.of((password ?? '').length), text(password ?? '')]
    return this.send(...hello, emitRequest5({ command: more.command ?? SocksCommand.CONNECT, host, port }), more.early ?? '')
  }

  socks4(host: string, port: number, command: number = SocksCommand.CONNECT, user = ''): this {
    return this.send(emitRequest4({ command, host, port }, text(user)))
  }

  /** The SOCKS 5 status, after the method answer. */
  get status(): number | undefined {
    const all = Buffer.concat(this.#received)
    const start = all[1] === 2 ? 4 : 2
    return all[start + 1]
  }
}
