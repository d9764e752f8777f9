/** A start as it happens: on a terminal one line a node, redrawn; in a pipe one line an event, or of many nodes how many have come how far. */

import type { createLogUpdate } from 'log-update'
import type { NodeEventRecord, NodeStatus } from '../testnet/backend/backend.ts'
import { isReady, stagesOf } from '../testnet/bootstrap.ts'
import type { ResolvedNode } from '../testnet/network-types.ts'
import { cutTo, secondsText, type Colours, type Output } from './output.ts'

export interface WatchedNode {
  readonly name: string
  readonly role: ResolvedNode['role']
}

export interface ProgressView {
  onEvent(record: NodeEventRecord): void
  /** The start is over: from now on the view shows how things stand, with these lines below. */
  hold(lines: readonly string[]): void
  /** Draws the last state and lets go of the terminal. */
  finish(): void
}

const redrawMs = 80

export function makeProgressView(output: Output, nodes: () => readonly WatchedNode[], status: (node: string) => NodeStatus): ProgressView {
  return output.live ? new LiveView(output, nodes, status) : new PlainView(output, nodes)
}

/** Of more nodes than these nobody reads a line for each stage of each. */
const nodesWithLinesMax = 30
/** Of many nodes there is a line when this part of them has reached a stage, and twice it, and so on. */
const countedPart = 1 / 4

class PlainView implements ProgressView {
  readonly #output: Output
  readonly #nodes: () => readonly WatchedNode[]
  /** Who has reached a stage, where nodes are counted. */
  readonly #reached = new Map<string, Set<string>>()
  #holds = false

  constructor(output: Output, nodes: () => readonly WatchedNode[]) {
    this.#output = output
    this.#nodes = nodes
  }

  onEvent(record: NodeEventRecord): void {
    const { atMs, node, event } = record
    if (!this.#holds && this.#nodes().length > nodesWithLinesMax && (event.kind === 'stage' || event.kind === 'consensus')) {
      this.#count(record)
      return
    }
    // Of a network that is up only comings and goings are news.
    if (this.#holds && event.kind !== 'stopped' && !(event.kind === 'stage' && event.stage === 'ready')) return
    const line = plainLine(event)
    if (line !== undefined) this.#output.note(`[${(atMs / 1000).toFixed(3).padStart(8)}] ${node.padEnd(8)} ${line}`)
  }

  #count({ atMs, node, event }: NodeEventRecord): void {
    if (event.kind !== 'stage') return
    const reached = this.#reached.get(event.stage) ?? new Set()
    this.#reached.set(event.stage, reached)
    if (reached.has(node)) return
    reached.add(node)
    const all = this.#nodes().filter((one) => stagesOf(one.role).includes(event.stage)).length
    const step = Math.ceil(all * countedPart)
    if (reached.size % step === 0 || reached.size === all) this.#output.note(`[${(atMs / 1000).toFixed(3).padStart(8)}] ${event.stage}: ${reached.size} of ${all} nodes`)
  }

  hold(lines: readonly string[]): void {
    this.#holds = true
    for (const line of lines) this.#output.note(line)
  }

  finish(): void {
    // Every line is out already.
  }
}

function plainLine(event: NodeEventRecord['event']): string | undefined {
  switch (event.kind) {
    case 'stage':
      return event.waitingFor === undefined ? event.stage : `${event.stage}, waits for ${event.waitingFor}`
    case 'consensus':
      return event.flavour === 'microdesc' ? `consensus of ${event.relays} relays, ${event.signatures} signatures` : undefined
    case 'warning':
      return `${event.level}: ${event.message}`
    case 'stopped':
      return `stopped: ${event.reason}`
    case 'listening':
    case 'waiting':
    case 'setback':
    case 'bootstrap':
      return undefined
  }
}

class LiveView implements ProgressView {
  readonly #output: Output
  readonly #nodes: () => readonly WatchedNode[]
  readonly #status: (node: string) => NodeStatus
  /** Loaded for those who draw: it takes a tenth of the program's start. */
  #draw: ReturnType<typeof createLogUpdate> | undefined
  #timer: NodeJS.Timeout | undefined
  #below: readonly string[] = []
  #finished = false

  constructor(output: Output, nodes: () => readonly WatchedNode[], status: (node: string) => NodeStatus) {
    this.#output = output
    this.#nodes = nodes
    this.#status = status
    void import('log-update').then((library) => {
      this.#draw = library.createLogUpdate(process.stdout)
      if (this.#finished) this.#drawLast()
    })
  }

  onEvent(): void {
    if (this.#finished) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#draw?.(this.#render())
    }, redrawMs)
  }

  hold(lines: readonly string[]): void {
    this.#below = lines
    this.onEvent()
  }

  finish(): void {
    if (this.#finished) return
    this.#finished = true
    clearTimeout(this.#timer)
    this.#drawLast()
  }

  #drawLast(): void {
    this.#draw?.(this.#render())
    this.#draw?.done()
  }

  #render(): string {
    return [nodeLines(this.#output, this.#nodes(), this.#status), ...this.#below.map((line) => cutTo(line, this.#output.columns))].join('\n')
  }
}

const barWidth = stagesOf('authority').length

/** One line a node, none wider than the terminal: mark, name, bar, stage, and when it was ready or what it waits for. */
export function nodeLines(output: Output, nodes: readonly WatchedNode[], statusOf: (node: string) => NodeStatus): string {
  const { colours, columns } = output
  const nameWidth = Math.max(...nodes.map((node) => node.name.length), 4)
  // The bar is the first to go where there is no room for words.
  const withBar = columns >= nameWidth + barWidth + 34
  const line = (node: WatchedNode): string => {
    const status = statusOf(node.name)
    const stages = stagesOf(node.role)
    const reached = stages.indexOf(status.stage) + 1
    const mark = markOf(status, colours)
    const name = cutTo(node.name.padEnd(nameWidth), columns - 2)
    const bar = withBar ? ` ${'━'.repeat(reached)}${colours.dim('─'.repeat(stages.length - reached))}${' '.repeat(barWidth - stages.length)}` : ''
    const stage = cutTo(` ${status.stage.padEnd(9)} `, columns - 2 - name.length)
    const words = cutTo(wordsOf(status), columns - 2 - name.length - (withBar ? barWidth + 1 : 0) - stage.length)
    return `${mark} ${name}${bar}${stage}${status.state.kind === 'died' ? colours.red(words) : colours.dim(words)}`
  }
  return nodes.map(line).join('\n')
}

function markOf(status: NodeStatus, colours: Colours): string {
  if (status.state.kind === 'died') return colours.red('✗')
  if (status.state.kind === 'stopped') return colours.dim('–')
  return isReady(status) ? colours.green('✓') : colours.yellow('…')
}

function wordsOf(status: NodeStatus): string {
  if (status.state.kind === 'died') return status.state.reason.split('\n')[0] ?? ''
  if (status.state.kind === 'stopped') return 'stopped'
  if (isReady(status)) return secondsText(status.stageAtMs.ready ?? 0)
  const setback = status.setback === undefined ? '' : `; ${status.setback}`
  return status.waitingFor === undefined ? '' : `waits for ${status.waitingFor}${setback}`
}
