/**
 * Follows one C tor through its control port and tells of it as our own nodes tell of themselves: listeners, stages,
 * bootstrap progress, consensuses, warnings. C tor's events say that something has changed; what holds now is then asked
 * for, so that an event missed or misread never leaves a stage behind.
 */

import { hexEncode } from '../core/base/encoding.ts'
import { formatIsoTime } from '../core/base/time.ts'
import { parseConsensus } from '../core/netdoc/consensus.ts'
import { controlWords } from '../core/control/reply-decoder.ts'
import type { NodeEvent, NodeInspection, NodeStage } from '../runtime/events.ts'
import { stagesOf } from './bootstrap.ts'
import type { ResolvedNode } from './network-types.ts'
import type { TorControl } from './tor-control.ts'
import { consensusKeys, documentText, listenerNames, parseListeners } from './tor-inspection.ts'

export interface TorWatchOptions {
  readonly role: ResolvedNode['role']
  /** How many authorities the network has, itself included. */
  readonly authorities: number
  readonly emit: (event: NodeEvent) => void
}

/** What C tor has been asked for, at one moment. */
interface Facts {
  readonly fingerprint: string | undefined
  readonly consensusValidAfter: string | undefined
  readonly isListed: boolean
  readonly hasDirectory: boolean
  readonly hasCircuit: boolean
}

export class TorWatch {
  readonly #control: TorControl
  readonly #options: TorWatchOptions
  readonly #acceptedBy = new Set<string>()
  #stage: NodeStage = 'starting'
  #waitingFor: string | undefined
  #bootstrap: NodeInspection['bootstrap'] = { progress: 0, tag: 'starting', summary: 'Starting' }
  #version = ''
  #knownConsensus: string | undefined
  #looking = false
  #lookAgain = false

  constructor(control: TorControl, options: TorWatchOptions) {
    this.#control = control
    this.#options = options
  }

  get version(): string {
    return this.#version
  }

  get state(): { readonly stage: NodeStage; readonly waitingFor: string | undefined; readonly bootstrap: NodeInspection['bootstrap'] } {
    return { stage: this.#stage, waitingFor: this.#waitingFor, bootstrap: this.#bootstrap }
  }

  /** Once: C tor answers when its keys are loaded and its ports are bound. */
  async begin(): Promise<void> {
    await this.#control.command('SETEVENTS STATUS_GENERAL STATUS_CLIENT STATUS_SERVER NEWCONSENSUS WARN ERR')
    this.#version = (await this.#control.getInfo(['version'])).get('version') ?? ''
    if (this.#options.role !== 'client') this.#reach('keys', 'its listeners to be bound')
    for (const listener of listenerNames) {
      for (const address of parseListeners((await this.#control.ask(`net/listeners/${listener}`)) ?? '')) this.#options.emit({ kind: 'listening', listener, address })
    }
    // `NOTICE BOOTSTRAP PROGRESS=… …`, in the form of the event.
    this.#handleBootstrap((await this.#control.ask('status/bootstrap-phase')) ?? '')
    this.#look()
  }

  handleEvent(name: string, words: string, data: string | undefined): void {
    switch (name) {
      case 'WARN':
      case 'ERR':
        this.#options.emit({ kind: 'warning', level: name === 'WARN' ? 'warn' : 'error', message: data ?? words })
        return
      case 'STATUS_CLIENT':
        this.#handleBootstrap(words)
        break
      case 'STATUS_SERVER': {
        const authority = / ACCEPTED_SERVER_DESCRIPTOR DIRAUTH=(\S+)/.exec(words)?.[1]
        if (authority !== undefined) this.#acceptedBy.add(authority)
        break
      }
    }
    this.#look()
  }

  #handleBootstrap(words: string): void {
    const values = new Map(controlWords(words).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]))
    const progress = Number(values.get('PROGRESS'))
    if (!/ BOOTSTRAP /.test(words) || !Number.isFinite(progress)) return
    this.#bootstrap = { progress, tag: values.get('TAG') ?? '', summary: values.get('SUMMARY') ?? '' }
    this.#options.emit({ kind: 'bootstrap', ...this.#bootstrap })
  }

  /** Asks what holds now; at most one such round at a time, and one more if something happened meanwhile. */
  #look(): void {
    this.#lookAgain = true
    if (this.#looking) return
    this.#looking = true
    const rounds = async (): Promise<void> => {
      while (this.#lookAgain) {
        this.#lookAgain = false
        await this.#judge(await this.#ask())
      }
    }
    rounds()
      .catch(() => undefined) // It ended; whoever watches the process says so.
      .finally(() => {
        this.#looking = false
      })
  }

  async #ask(): Promise<Facts> {
    const values = await this.#control.getInfo(['consensus/valid-after', 'status/enough-dir-info', 'status/circuit-established'])
    const fingerprint = this.#options.role === 'client' ? undefined : await this.#control.ask('fingerprint')
    const entry = fingerprint === undefined ? undefined : await this.#control.ask(`ns/id/${fingerprint}`)
    const validAfter = values.get('consensus/valid-after')
    return {
      fingerprint,
      consensusValidAfter: validAfter === '' ? undefined : validAfter,
      isListed: /^s .*\bRunning\b/m.test(entry ?? ''),
      hasDirectory: values.get('status/enough-dir-info') === '1',
      hasCircuit: values.get('status/circuit-established') === '1',
    }
  }

  async #judge(facts: Facts): Promise<void> {
    if (facts.consensusValidAfter !== undefined && facts.consensusValidAfter !== this.#knownConsensus) {
      this.#knownConsensus = facts.consensusValidAfter
      await this.#tellOfConsensus(facts.consensusValidAfter)
    }
    // An authority does not send its descriptor to itself.
    const takers = this.#options.authorities - (this.#options.role === 'authority' ? 1 : 0)
    const holds: { readonly [stage in NodeStage]?: boolean } = {
      published: facts.isListed || this.#acceptedBy.size >= takers,
      // C tor does not tell of votes; one that has a consensus has voted or has been content without.
      voted: facts.consensusValidAfter !== undefined,
      consensus: facts.consensusValidAfter !== undefined,
      listed: facts.isListed,
      directory: facts.hasDirectory,
      circuit: facts.hasCircuit,
    }
    const stages = stagesOf(this.#options.role)
    for (const [index, stage] of stages.entries()) {
      if (holds[stage] === false) {
        this.#waitFor(stage)
        return
      }
      if (index > stages.indexOf(this.#stage)) this.#reach(stage, undefined)
    }
  }

  #reach(stage: NodeStage, waitingFor: string | undefined): void {
    this.#stage = stage
    this.#waitingFor = waitingFor
    this.#options.emit({ kind: 'stage', stage, ...(waitingFor === undefined ? {} : { waitingFor }) })
  }

  #waitFor(stage: NodeStage): void {
    const { progress, summary } = this.#bootstrap
    const words = `${nextOf(stage, this.#acceptedBy.size, this.#options.authorities)} (C tor: ${progress}%, ${summary})`
    if (words === this.#waitingFor) return
    this.#waitingFor = words
    this.#options.emit({ kind: 'waiting', waitingFor: words })
  }

  /** Of the flavour that it uses, whose time it has said: it says nothing when what it keeps for others alone changes. */
  async #tellOfConsensus(validAfter: string): Promise<void> {
    for (const flavour of ['microdesc', 'ns'] as const) {
      const text = await this.#control.ask(consensusKeys[flavour])
      if (text === undefined) continue
      const consensus = parseConsensus(documentText(text))
      if (formatIsoTime(consensus.validAfter) !== validAfter) continue
      this.#options.emit({
        kind: 'consensus',
        flavour,
        validAfter: consensus.validAfter,
        digest: hexEncode(flavour === 'ns' ? consensus.sha1 : consensus.sha256),
        relays: consensus.relays.length,
        signatures: consensus.signatures.length,
      })
      return
    }
  }
}

function nextOf(stage: NodeStage, acceptedBy: number, authorities: number): string {
  switch (stage) {
    case 'published':
      return `more authorities to take its descriptor (${acceptedBy} of ${authorities} have)`
    case 'voted':
    case 'consensus':
      return 'a consensus signed by more than half of the authorities'
    case 'listed':
      return 'the consensus to list it as Running'
    case 'directory':
      return 'the descriptors of enough relays'
    case 'circuit':
      return 'a first circuit'
    case 'starting':
    case 'keys':
    case 'listening':
    case 'ready':
      return 'its next stage'
  }
}
