/**
 * How far the node has come on the way to its first circuit, in C tor's phases: `Bootstrapped N% (tag): summary` in the
 * log, and the same as an event (control-spec §5.5; numbers and words as in C tor 0.4.9).
 */

import type { NodeEvent } from '../runtime/events.ts'
import type { Log } from '../runtime/index.ts'
import type { LinkStep } from './channel-manager.ts'

const phases = {
  starting: [0, 'Starting'],
  conn: [5, 'Connecting to a relay'],
  conn_done: [10, 'Connected to a relay'],
  handshake: [14, 'Handshaking with a relay'],
  handshake_done: [15, 'Handshake with a relay done'],
  onehop_create: [20, 'Establishing an encrypted directory connection'],
  requesting_status: [25, 'Asking for networkstatus consensus'],
  loading_status: [30, 'Loading networkstatus consensus'],
  loading_keys: [40, 'Loading authority key certs'],
  requesting_descriptors: [45, 'Asking for relay descriptors'],
  loading_descriptors: [50, 'Loading relay descriptors'],
  enough_dirinfo: [75, 'Loaded enough directory info to build circuits'],
  ap_conn: [80, 'Connecting to a relay to build circuits'],
  ap_conn_done: [85, 'Connected to a relay to build circuits'],
  ap_handshake: [89, 'Finishing handshake with a relay to build circuits'],
  ap_handshake_done: [90, 'Handshake finished with a relay to build circuits'],
  circuit_create: [95, 'Establishing a Tor circuit'],
  done: [100, 'Done'],
} as const satisfies Record<string, readonly [progress: number, summary: string]>

export type BootstrapTag = keyof typeof phases

/** Why a link that bootstrapping may need did not come up. */
export interface BootstrapProblem {
  /** In words. */
  readonly warning: string
  /** control-spec §4.1.3. */
  readonly reason: 'CONNECTREFUSED' | 'IDENTITY' | 'TIMEOUT' | 'IOERROR'
  readonly fingerprint: string
  /** `host:port` */
  readonly address: string
}

/** Within a phase, progress is told at notice level only in steps of this many percent. */
const noticeStep = 5

/** From so many problems on they are warned of (C tor's `BOOTSTRAP_PROBLEM_THRESHOLD`). */
const problemsTolerated = 10

export class BootstrapStatus {
  readonly #log: Log
  readonly #onEvent: (event: NodeEvent) => void
  #tag: BootstrapTag | undefined
  #progress = -1
  #noticed = 0
  /** Directory phases that were reached before any link was up: C tor tells them after it. */
  #deferred: { readonly tag: BootstrapTag; readonly progress: number } | undefined
  #hasLink = false
  #problems = 0

  constructor(log: Log, onEvent: (event: NodeEvent) => void) {
    this.#log = log
    this.#onEvent = onEvent
  }

  get progress(): number {
    return Math.max(this.#progress, 0)
  }

  get tag(): BootstrapTag {
    return this.#tag ?? 'starting'
  }

  get summary(): string {
    return phases[this.tag][1]
  }

  get isDone(): boolean {
    return this.#progress === 100
  }

  /** A phase has begun. Going back, and phases that were passed already, say nothing. */
  enter(tag: BootstrapTag): void {
    this.#advance(tag, phases[tag][0])
  }

  /** A link moves on. While directory information is still missing it is a link to a directory, later one for circuits. */
  link(step: LinkStep): void {
    if (this.#progress < phases.enough_dirinfo[0]) this.enter(step)
    else this.enter(`ap_${step}`)
    if (step !== 'handshake_done' || this.#hasLink) return
    this.#hasLink = true
    if (this.#deferred !== undefined) this.#advance(this.#deferred.tag, this.#deferred.progress)
  }

  /** A directory phase has begun: told once a link is up. */
  enterDirectory(tag: BootstrapTag): void {
    this.#directory(tag, phases[tag][0])
  }

  /** A request to a directory moves on. `target`: the path asked for. */
  directoryRequest(step: { readonly kind: 'open' } | { readonly kind: 'answer'; readonly target: string }): void {
    if (step.kind === 'open') {
      this.enter('onehop_create')
      this.enterDirectory('requesting_status')
    } else if (step.target.startsWith('/tor/keys/')) this.enterDirectory('loading_keys')
    else if (step.target.startsWith('/tor/status-vote/')) this.enterDirectory('loading_status')
  }

  /** Told as C tor's `control_event_bootstrap_problem` does: few of them are nothing unusual. */
  problem({ warning, reason, fingerprint, address }: BootstrapProblem): void {
    if (this.isDone) return
    this.#problems++
    const warns = this.#problems >= problemsTolerated
    this.#log.write(
      warns ? 'warn' : 'info',
      'control',
      `Problem bootstrapping. Stuck at ${this.progress}% (${this.tag}): ${this.summary}. (${warning}; ${reason}; count ${this.#problems}; recommendation ${warns ? 'warn' : 'ignore'}; host ${fingerprint} at ${address})`,
    )
  }

  /** Descriptors are coming in: `fraction` of what is needed, 0 to 1. */
  loadingDescriptors(fraction: number): void {
    const from = phases.loading_descriptors[0]
    const span = phases.enough_dirinfo[0] - 1 - from
    this.#directory('loading_descriptors', from + Math.floor(Math.min(Math.max(fraction, 0), 1) * span))
  }

  #directory(tag: BootstrapTag, progress: number): void {
    if (this.#hasLink) this.#advance(tag, progress)
    else if (progress > (this.#deferred?.progress ?? -1)) this.#deferred = { tag, progress }
  }

  #advance(tag: BootstrapTag, progress: number): void {
    if (progress <= this.#progress) return
    const isNewPhase = tag !== this.#tag
    const level = isNewPhase || progress >= this.#noticed + noticeStep ? 'notice' : 'info'
    this.#tag = tag
    this.#progress = progress
    if (level === 'notice') this.#noticed = progress
    this.#log.write(level, 'control', `Bootstrapped ${progress}% (${tag}): ${this.summary}`)
    this.#onEvent({ kind: 'bootstrap', progress, tag, summary: this.summary })
  }
}
