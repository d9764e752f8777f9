/**
 * How far a node has come on the way to being useful, as its owner sees it (`NodeStage`). Each condition is told when it
 * becomes true; the stage is the last one before the first that is still missing, so that what a node waits for is
 * always one thing with a name. C tor's bootstrap phases, which are about a client's first circuit, are
 * `bootstrap-status.ts`.
 */

import type { NodeEvent, NodeStage } from '../runtime/events.ts'

/** In order. `starting` holds from the beginning and `ready` once all the others do. */
const order = ['keys', 'listening', 'published', 'voted', 'consensus', 'listed', 'directory', 'circuit'] as const satisfies readonly NodeStage[]
export type StageCondition = (typeof order)[number]

const defaultWords: Readonly<Record<StageCondition, string>> = {
  keys: 'keys to be read or made',
  listening: 'listeners to be bound',
  published: 'authorities to take its descriptor',
  voted: 'enough relays to vote on',
  consensus: 'a consensus with enough signatures',
  listed: 'a consensus that lists it as Running',
  directory: 'descriptors of the relays',
  circuit: 'a circuit through three relays',
}

export class NodeStages {
  readonly #wanted: readonly StageCondition[]
  readonly #onEvent: (event: NodeEvent) => void
  readonly #met = new Set<StageCondition>()
  readonly #words = new Map<StageCondition, string>()
  #stage: NodeStage = 'starting'
  #toldWaiting: string | undefined

  /** `wanted`: the conditions that this node's roles have. */
  constructor(wanted: ReadonlySet<StageCondition>, onEvent: (event: NodeEvent) => void) {
    this.#wanted = order.filter((condition) => wanted.has(condition))
    this.#onEvent = onEvent
  }

  get stage(): NodeStage {
    return this.#stage
  }

  /** In words, what the next stage needs; undefined when ready. */
  get waitingFor(): string | undefined {
    const missing = this.#firstMissing()
    return missing === undefined ? undefined : (this.#words.get(missing) ?? defaultWords[missing])
  }

  isMet(condition: StageCondition): boolean {
    return this.#met.has(condition)
  }

  /** Tells where the node begins. */
  begin(): void {
    this.#tellStage()
  }

  meet(condition: StageCondition): void {
    if (this.#met.has(condition)) return
    this.#met.add(condition)
    this.#update()
  }

  /** Says more exactly what a condition still needs. */
  waitFor(condition: StageCondition, words: string): void {
    this.#words.set(condition, words)
    const waiting = this.waitingFor
    if (waiting === undefined || waiting === this.#toldWaiting) return
    this.#toldWaiting = waiting
    this.#onEvent({ kind: 'waiting', waitingFor: waiting })
  }

  /** An attempt at what this condition needs came to nothing. */
  setBack(condition: StageCondition, words: string): void {
    if (this.#firstMissing() === condition) this.#onEvent({ kind: 'setback', words })
  }

  #firstMissing(): StageCondition | undefined {
    return this.#wanted.find((condition) => !this.#met.has(condition))
  }

  #update(): void {
    const missing = this.#firstMissing()
    const reached = missing === undefined ? 'ready' : (this.#wanted[this.#wanted.indexOf(missing) - 1] ?? 'starting')
    if (reached === this.#stage) return
    this.#stage = reached
    this.#tellStage()
  }

  #tellStage(): void {
    const waitingFor = this.waitingFor
    this.#toldWaiting = waitingFor
    this.#onEvent(waitingFor === undefined ? { kind: 'stage', stage: this.#stage } : { kind: 'stage', stage: this.#stage, waitingFor })
  }
}
