/**
 * Reads along what one node records of its circuits, in one of its lives: `windows`, `distinct-hops`, and of `released`
 * that no stream outlives its circuit.
 */

import { CIRCUIT_WINDOW_INCREMENT, CIRCUIT_WINDOW_START, STREAM_WINDOW_INCREMENT, STREAM_WINDOW_START } from '../../core/proto/flow/limits.ts'
import type { NodeTraceEvent, TraceSink } from '../../runtime/trace.ts'
import type { Report } from './violation.ts'

/** What congestion control begins with (prop324 §3.2, §6.5.1), where the network's parameters do not say otherwise. */
const congestionDefaults = Object.freeze({ cc_cwnd_init: 124, cc_sendme_inc: 31 })

/** DATA cells and SENDMEs of one end of a circuit with one other end of it. */
interface Exchange {
  sent: number
  sendmes: number
  /** Congestion control: a SENDME came for fewer cells than fixed windows have in one. Undefined: not known yet. */
  congestion: boolean | undefined
  readonly streams: Map<number, StreamExchange>
}

interface StreamExchange {
  sent: number
  sendmes: number
  stopped: boolean
}

interface TracedCircuit {
  readonly exchanges: Map<number, Exchange>
  readonly streams: Set<number>
}

export class CircuitLedger implements TraceSink {
  readonly #node: string
  readonly #report: Report
  readonly #initialWindow: number
  readonly #increment: number
  readonly #circuits = new Map<number, TracedCircuit>()
  /** Streams whose circuit has closed before them. */
  readonly #orphans = new Set<string>()

  constructor(node: string, params: { readonly [parameter: string]: number }, report: Report) {
    this.#node = node
    this.#report = report
    this.#initialWindow = params['cc_cwnd_init'] ?? congestionDefaults.cc_cwnd_init
    this.#increment = params['cc_sendme_inc'] ?? congestionDefaults.cc_sendme_inc
  }

  emit(event: NodeTraceEvent): void {
    switch (event.event) {
      case 'relay.sent':
        if (event.command === 'DATA') this.#sent(event.circuit, event.hop ?? -1, event.stream, event.count ?? 1)
        return
      case 'relay.received':
        this.#received(event.circuit, event.hop ?? -1, event.stream, event.command)
        return
      case 'circuit.begin':
        this.#begun(event.circuit, event.path)
        return
      case 'circuit.closed': {
        for (const stream of this.#circuits.get(event.circuit)?.streams ?? []) this.#orphans.add(`${event.circuit} ${stream}`)
        this.#circuits.delete(event.circuit)
        return
      }
      case 'stream.begin':
        this.#circuit(event.circuit).streams.add(event.stream)
        return
      case 'stream.close':
        this.#circuits.get(event.circuit)?.streams.delete(event.stream)
        this.#orphans.delete(`${event.circuit} ${event.stream}`)
        return
      default:
        return
    }
  }

  /** Streams whose circuit is closed and that are still there, at this moment: as `circuit stream`. */
  orphans(): ReadonlySet<string> {
    return new Set(this.#orphans)
  }

  /** When nothing goes on any more: what of the node's streams was left over some time ago and still is. */
  checkReleased(before: ReadonlySet<string>): void {
    for (const orphan of this.#orphans) {
      if (!before.has(orphan)) continue
      const [circuit, stream] = orphan.split(' ')
      this.#report('released', this.#node, `stream ${stream} is still there, its circuit ${circuit} is closed`)
      this.#orphans.delete(orphan)
    }
  }

  #begun(circuit: number, path: readonly string[]): void {
    const twice = path.find((hop, index) => path.indexOf(hop) !== index)
    if (twice === undefined) return
    const ends = path[0] === path.at(-1)
    this.#report('distinct-hops', this.#node, `circuit ${circuit} goes through ${twice} twice${ends ? ', which holds both its ends' : ''}`)
  }

  #sent(circuit: number, hop: number, stream: number, count: number): void {
    const exchange = this.#exchange(circuit, hop)
    const one = streamOf(exchange, stream)
    exchange.sent += count
    one.sent += count
    const most = this.#mostSent(exchange)
    if (exchange.sent > most) this.#report('windows', this.#node, `circuit ${circuit}: ${exchange.sent} DATA cells sent with ${exchange.sendmes} SENDMEs; the window allows ${most}`)
    if (one.sendmes > 0 && one.sent > STREAM_WINDOW_START + STREAM_WINDOW_INCREMENT * one.sendmes) {
      this.#report('windows', this.#node, `stream ${stream} of circuit ${circuit}: ${one.sent} DATA cells sent with ${one.sendmes} SENDMEs`)
    }
    if (one.stopped) this.#report('windows', this.#node, `stream ${stream} of circuit ${circuit}: ${count} DATA cells sent after XOFF`)
  }

  /** Fixed windows are exact; with congestion control, no more than slow start at its fastest would have let out. */
  #mostSent(exchange: Exchange): number {
    if (exchange.congestion === true) return this.#initialWindow + 2 * this.#increment * exchange.sendmes
    return Math.max(CIRCUIT_WINDOW_START, this.#initialWindow) + CIRCUIT_WINDOW_INCREMENT * exchange.sendmes
  }

  #received(circuit: number, hop: number, stream: number, command: string): void {
    if (command !== 'SENDME' && command !== 'XOFF' && command !== 'XON') return
    const exchange = this.#exchange(circuit, hop)
    if (command !== 'SENDME') {
      streamOf(exchange, stream).stopped = command === 'XOFF'
    } else if (stream !== 0) {
      streamOf(exchange, stream).sendmes++
    } else {
      exchange.sendmes++
      exchange.congestion ??= exchange.sent < CIRCUIT_WINDOW_INCREMENT ? true : undefined
      if (exchange.sendmes * this.#increment > exchange.sent) this.#report('windows', this.#node, `circuit ${circuit}: SENDME ${exchange.sendmes} for ${exchange.sent} DATA cells`)
    }
  }

  #circuit(circuit: number): TracedCircuit {
    const known = this.#circuits.get(circuit)
    if (known !== undefined) return known
    const made: TracedCircuit = { exchanges: new Map(), streams: new Set() }
    this.#circuits.set(circuit, made)
    return made
  }

  #exchange(circuit: number, hop: number): Exchange {
    const { exchanges } = this.#circuit(circuit)
    const known = exchanges.get(hop)
    if (known !== undefined) return known
    const made: Exchange = { sent: 0, sendmes: 0, congestion: undefined, streams: new Map() }
    exchanges.set(hop, made)
    return made
  }
}

function streamOf(exchange: Exchange, stream: number): StreamExchange {
  const known = exchange.streams.get(stream)
  if (known !== undefined) return known
  const made: StreamExchange = { sent: 0, sendmes: 0, stopped: false }
  exchange.streams.set(stream, made)
  return made
}
