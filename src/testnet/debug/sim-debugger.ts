/**
 * Stops a simulation between two events and answers questions about it: `relish sim --step` and `--break`. Virtual time
 * stands still meanwhile, and nothing that is asked here changes the run.
 */

import { asRelishError, RelishError } from '../../core/base/errors.ts'
import type { CircuitInspection, NodeInspection } from '../../runtime/events.ts'
import type { SimulatedNetwork } from '../backend/simulated.ts'
import { parseDuration } from '../duration.ts'
import { debuggerEventsKept } from '../limits.ts'
import { parseCondition, type Condition, type TracedEvent } from './condition.ts'

/** Whoever steers: a person at a terminal, or a script. */
export interface DebuggerConsole {
  /** The next command; undefined when there are no more, and the run goes on to its end. */
  read(): Promise<string | undefined>
  print(text: string): void
}

interface Breakpoint {
  readonly text: string
  readonly holds: Condition
}

/** When to stop next, apart from breakpoints. */
type Goal =
  | { readonly kind: 'none' }
  /** After this many events of the queue. */
  | { readonly kind: 'steps'; left: number }
  /** At the next event that is traced. */
  | { readonly kind: 'traced' }
  | { readonly kind: 'time'; readonly untilMs: number }

export class SimDebugger {
  readonly #console: DebuggerConsole
  readonly #breakpoints: Breakpoint[]
  #goal: Goal
  #last: TracedEvent[] = []
  #hit: { readonly event: TracedEvent; readonly why: string } | undefined
  /** Nobody steers any more. */
  #over = false

  /** `step`: stops before anything happens. Throws `config` for a condition that is none. */
  constructor(console: DebuggerConsole, options: { readonly step: boolean; readonly breaks: readonly string[] }) {
    this.#console = console
    this.#breakpoints = options.breaks.map((text) => ({ text, holds: parseCondition(text) }))
    this.#goal = options.step ? { kind: 'steps', left: 0 } : { kind: 'none' }
  }

  /** Takes the lines of the trace. */
  readonly traceSink = (line: string): void => {
    if (this.#over) return
    const event = JSON.parse(line) as TracedEvent
    // The header is no event.
    if (typeof event.event !== 'string') return
    if (this.#last.length >= debuggerEventsKept) this.#last.shift()
    this.#last.push(event)
    if (this.#hit !== undefined) return
    const breakpoint = this.#breakpoints.find((one) => one.holds(event))
    if (breakpoint !== undefined) this.#hit = { event, why: breakpoint.text }
    else if (this.#goal.kind === 'traced') this.#hit = { event, why: 'next' }
  }

  /** Between two events: a promise while the simulation is to stand still. */
  readonly paused = (network: SimulatedNetwork): Promise<void> | undefined => {
    if (this.#over || !this.#isDue(network)) return undefined
    return this.#converse(network)
  }

  #isDue(network: SimulatedNetwork): boolean {
    if (this.#hit !== undefined) return true
    if (this.#goal.kind === 'steps') return this.#goal.left-- <= 0
    if (this.#goal.kind !== 'time') return false
    // Before the first event that comes later.
    return (network.simulation.nextEventAtMs ?? Number.POSITIVE_INFINITY) > this.#goal.untilMs
  }

  async #converse(network: SimulatedNetwork): Promise<void> {
    const { print } = this.#console
    print(`-- ${seconds(network.clock.now())}${this.#hit === undefined ? '' : `: ${describe(this.#hit.event)}   (${this.#hit.why})`}`)
    this.#hit = undefined
    this.#goal = { kind: 'none' }
    for (;;) {
      const line = await this.#console.read()
      if (line === undefined) {
        this.#over = true
        return
      }
      try {
        if (this.#obey(network, line.trim())) return
      } catch (thrown) {
        const error = asRelishError(thrown)
        print(error.kind === 'bug' ? `${error.message}` : error.message)
      }
    }
  }

  /** True when time is to go on. */
  #obey(network: SimulatedNetwork, line: string): boolean {
    const { print } = this.#console
    const space = line.indexOf(' ')
    const word = space < 0 ? line : line.slice(0, space)
    const rest = space < 0 ? '' : line.slice(space + 1).trim()
    switch (word) {
      case '':
        return false
      case 'continue':
      case 'c':
        return true
      case 'next':
      case 'n':
        this.#goal = { kind: 'traced' }
        return true
      case 'step':
      case 's':
        this.#goal = { kind: 'steps', left: rest === '' ? 0 : count(rest) - 1 }
        return true
      case 'until':
        this.#goal = { kind: 'time', untilMs: instant(rest) }
        return true
      case 'break':
        this.#breakpoints.push({ text: rest, holds: parseCondition(rest) })
        return false
      case 'breaks':
        this.#breakpoints.forEach((one, i) => print(`${i + 1}  ${one.text}`))
        return false
      case 'delete':
        if (this.#breakpoints.splice(count(rest) - 1, 1).length === 0) throw new RelishError('config', `there is no breakpoint ${rest}`)
        return false
      case 'nodes':
        for (const { name } of network.nodes()) print(nodeLine(name, network))
        return false
      case 'node':
        describeNode(peek(network, rest)).forEach(print)
        return false
      case 'links':
        for (const link of peek(network, rest).channels) print(`link ${link.id}  ${link.state}  ${link.initiator ? 'to' : 'from'} ${link.remote.host}:${link.remote.port} ${link.fingerprint ?? ''}  ${link.circuits} circuits, ${link.queuedCells} cells queued, ${link.bytesRead} bytes in, ${link.bytesWritten} out`)
        return false
      case 'circuits':
        peek(network, rest).circuits.forEach((circuit) => print(circuitLine(circuit, namesOf(network))))
        return false
      case 'streams':
        for (const circuit of peek(network, rest).circuits) for (const stream of circuit.streams) print(`circuit ${circuit.id} stream ${stream.streamId}  ${stream.state}  ${stream.target}  ${stream.bytesRead} bytes in, ${stream.bytesWritten} out`)
        return false
      case 'inspect':
        print(JSON.stringify(peek(network, rest), undefined, 2))
        return false
      case 'queue': {
        const { waiting, upcoming } = network.simulation.queued(rest === '' ? 10 : count(rest))
        print(`${waiting} events wait`)
        for (const { atMs, what } of upcoming) print(`${seconds(atMs)}  ${what}`)
        return false
      }
      case 'events':
        for (const event of this.#last.slice(-(rest === '' ? 10 : count(rest)))) print(`${seconds(event.t / 1000)}  ${describe(event)}`)
        return false
      case 'help':
        help.forEach(print)
        return false
      case 'quit':
        throw new RelishError('config', 'to leave, end the program with Ctrl-C, or let the run go on to its end: continue')
      default:
        throw new RelishError('config', `there is no command "${word}"; help lists them`)
    }
  }
}

const help: readonly string[] = Object.freeze([
  'continue            go on to the next breakpoint',
  'next                … to the next event of the trace',
  'step [N]            … by one event of the queue, or N',
  'until T             … to this virtual time: 1.5s, 90s, 2h, or seconds',
  'break CONDITION     one more breakpoint;  breaks lists them,  delete N forgets one',
  'nodes               every node and its stage',
  'node NAME           one of them;  links, circuits, streams NAME tell more, inspect NAME all, as JSON',
  'queue [N]           the next events that are due',
  'events [N]          the last events of the trace',
])

const seconds = (ms: number): string => `${(ms / 1000).toFixed(6)} s`

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new RelishError('config', `"${text}" is no number from 1 on`)
  return value
}

/** A virtual time, in milliseconds. */
function instant(text: string): number {
  const ms = parseDuration(text) ?? (text === '' ? Number.NaN : Number(text) * 1000)
  if (!(ms >= 0)) throw new RelishError('config', `"${text}" is no time: 1.5s, 90s, 2h`)
  return ms
}

function peek(network: SimulatedNetwork, name: string): NodeInspection {
  const inspection = network.peek(name)
  if (inspection === undefined) throw new RelishError('unavailable', `${name} does not run`)
  return inspection
}

const namesOf = (network: SimulatedNetwork) => (fingerprint: string): string => {
  const of = network.nodes().find((node) => network.peek(node.name)?.fingerprint === fingerprint)
  return of?.name ?? fingerprint.slice(0, 8)
}

function nodeLine(name: string, network: SimulatedNetwork): string {
  const inspection = network.peek(name)
  if (inspection === undefined) return `${name.padEnd(12)} does not run`
  return `${name.padEnd(12)} ${inspection.stage.padEnd(10)} ${inspection.channels.length} links, ${inspection.circuits.length} circuits${inspection.waitingFor === undefined ? '' : `; waits for ${inspection.waitingFor}`}`
}

function describeNode(node: NodeInspection): string[] {
  return [
    `${node.nickname} (${node.roles.join(', ')}), ${node.version}${node.fingerprint === undefined ? '' : `, ${node.fingerprint}`}`,
    `stage ${node.stage}${node.waitingFor === undefined ? '' : `, waits for ${node.waitingFor}`}; bootstrap ${node.bootstrap.progress} % ${node.bootstrap.summary}`,
    ...node.consensus.map((one) => `${one.flavour} consensus of ${new Date(one.validAfter).toISOString()}, ${one.relays.length} relays, ${one.signers.length} signatures`),
    `${node.descriptors.held} of ${node.descriptors.wanted} descriptors held`,
    ...node.guards.map((guard) => `guard ${guard.nickname}: ${guard.state}`),
    `${node.channels.length} links, ${node.circuits.length} circuits, ${node.circuits.reduce((sum, circuit) => sum + circuit.streams.length, 0)} streams`,
    ...node.warnings.map((warning) => `warned: ${warning}`),
  ]
}

function circuitLine(circuit: CircuitInspection, nameOf: (fingerprint: string) => string): string {
  const ends = circuit.path?.map(nameOf).join(' → ') ?? [circuit.previous, circuit.next].map((side) => (side === undefined ? '' : `${side.circuitId} on link ${side.channel}`)).join(' | ')
  const more = [circuit.purpose, `${circuit.streams.length} streams`, circuit.queuedCells > 0 ? `${circuit.queuedCells} cells queued` : undefined, circuit.packageWindow === undefined ? undefined : `window ${circuit.packageWindow}`]
  return `circuit ${circuit.id}  ${circuit.state}  ${ends}  ${more.filter((one) => one !== undefined).join(', ')}`
}

/** An event in a line: what, who, and the rest of its fields. */
function describe({ event, node, t: _time, ...fields }: TracedEvent): string {
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  return `${node} ${event} ${rest.join(' ')}`.trimEnd()
}
