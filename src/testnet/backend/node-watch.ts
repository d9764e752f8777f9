/** What is known of one node, kept from its events: the part that every backend has in common. */

import type { NodeEvent, NodeStage } from '../../runtime/events.ts'
import { lastWarningsKept } from '../limits.ts'
import type { NodeState, NodeStatus } from './backend.ts'

/** A node that only changes what it says it waits for gets this many changes a stage to count as progress. */
const waitingChangesCounted = 100

export class NodeWatch {
  readonly name: string
  readonly #now: () => number
  #state: NodeState = { kind: 'configured' }
  #stage: NodeStage = 'starting'
  #waitingFor: string | undefined
  #setback: string | undefined
  #bootstrap = { progress: 0, tag: 'starting', summary: 'Starting' }
  #listeners: NodeStatus['listeners'] = []
  /** By flavour. */
  #consensuses = new Map<string, NonNullable<NodeStatus['consensus']>>()
  #warnings: string[] = []
  #progressAtMs = 0
  #stageAtMs: { [stage in NodeStage]?: number } = {}
  #waitingChanges = 0

  constructor(name: string, now: () => number) {
    this.name = name
    this.#now = now
    this.#progressAtMs = now()
  }

  /** A new life: what is known of the one before is forgotten. */
  started(pid: number | undefined): void {
    const now = this.#now()
    this.#state = { kind: 'running', pid, sinceMs: now }
    this.#stage = 'starting'
    this.#waitingFor = undefined
    this.#setback = undefined
    this.#warnings = []
    this.#bootstrap = { progress: 0, tag: 'starting', summary: 'Starting' }
    this.#listeners = []
    this.#consensuses = new Map()
    this.#progressAtMs = now
    this.#stageAtMs = { starting: now }
    this.#waitingChanges = 0
  }

  ended(state: NodeState): void {
    this.#state = state
  }

  handle(event: NodeEvent): void {
    switch (event.kind) {
      case 'listening':
        this.#listeners = [...this.#listeners.filter((known) => known.listener !== event.listener || known.address.host !== event.address.host), { listener: event.listener, address: event.address }]
        this.#progress()
        return
      case 'stage':
        this.#stage = event.stage
        this.#waitingFor = event.waitingFor
        this.#setback = undefined
        this.#stageAtMs = { ...this.#stageAtMs, [event.stage]: this.#now() }
        this.#waitingChanges = 0
        this.#progress()
        return
      case 'waiting':
        if (event.waitingFor === this.#waitingFor) return
        this.#waitingFor = event.waitingFor
        this.#setback = undefined
        if (this.#waitingChanges++ < waitingChangesCounted) this.#progress()
        return
      case 'setback':
        // No progress: that is the point of it.
        this.#setback = event.words
        return
      case 'bootstrap':
        if (event.progress > this.#bootstrap.progress) this.#progress()
        this.#bootstrap = { progress: event.progress, tag: event.tag, summary: event.summary }
        return
      case 'consensus':
        this.#consensuses.set(event.flavour, { flavour: event.flavour, validAfter: event.validAfter, digest: event.digest, relays: event.relays, signatures: event.signatures })
        this.#progress()
        return
      case 'warning':
        this.#warnings.push(`${event.level}: ${event.message}`)
        if (this.#warnings.length > lastWarningsKept) this.#warnings.shift()
        return
      case 'stopped':
        return
    }
  }

  status(): NodeStatus {
    return {
      name: this.name,
      state: this.#state,
      stage: this.#stage,
      waitingFor: this.#waitingFor,
      setback: this.#setback,
      bootstrap: this.#bootstrap,
      listeners: this.#listeners,
      consensus: [...this.#consensuses.values()].sort((a, b) => a.validAfter - b.validAfter)[0],
      warnings: [...this.#warnings],
      progressAtMs: this.#progressAtMs,
      stageAtMs: this.#stageAtMs,
    }
  }

  #progress(): void {
    this.#progressAtMs = this.#now()
  }
}
