/**
 * One node as a C tor process. Its descriptor 3 is a control connection that C tor takes as authenticated and as its
 * owner (`__OwningControllerFD`): events and answers come over it from the first moment on, and when this process ends
 * in any way, the operating system closes it and C tor ends too.
 */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { base64Decode, hexEncode } from '../../core/base/encoding.ts'
import { RelishError } from '../../core/base/errors.ts'
import type { NodeCommand, NodeInspection } from '../../runtime/events.ts'
import { lastWarningsKept } from '../limits.ts'
import type { NodePlacement } from '../placement.ts'
import { TorControl } from '../tor-control.ts'
import { consensusKeys, documentText, inspectTor } from '../tor-inspection.ts'
import { TorWatch } from '../tor-watch.ts'
import type { NodeChild, NodeChildCallbacks } from './node-child.ts'
import { lastWords, SupervisedChild, withWords } from './supervised-child.ts'

export interface TorProcessOptions extends NodeChildCallbacks {
  readonly placement: NodePlacement
  readonly program: string
  readonly torrc: string
  /** What it prints before it opens its log goes here. */
  readonly errorFile: string
  readonly authorities: number
}

const signalNames = Object.freeze({ HUP: 'RELOAD', SHUTDOWN: 'SHUTDOWN', HALT: 'HALT', NEWNYM: 'NEWNYM', DUMP: 'DUMP' })

export class TorProcess implements NodeChild {
  readonly #options: TorProcessOptions
  readonly #child: SupervisedChild
  readonly #control: TorControl
  readonly #watch: TorWatch
  readonly #warnings: string[] = []
  readonly #listeners: NodeInspection['listeners'][number][] = []

  constructor(options: TorProcessOptions) {
    this.#options = options
    const { name } = options.placement.node
    this.#child = new SupervisedChild({
      program: [options.program],
      args: ['-f', options.torrc, '--__OwningControllerFD', '3'],
      outputFile: options.errorFile,
      onEnd: (reason) => this.#handleEnd(reason),
    })
    this.#control = new TorControl({ name, stream: this.#child.pipe, onEvent: (event, words, data) => this.#watch.handleEvent(event, words, data) })
    this.#watch = new TorWatch(this.#control, {
      role: options.placement.node.role,
      authorities: options.authorities,
      emit: (event) => {
        if (!this.#child.isRunning) return
        if (event.kind === 'listening') this.#listeners.push({ listener: event.listener, address: event.address })
        if (event.kind === 'warning') {
          this.#warnings.push(`${event.level}: ${event.message}`)
          if (this.#warnings.length > lastWarningsKept) this.#warnings.shift()
        }
        options.onEvent(event)
      },
    })
    // If that fails, the process has ended, and says so itself.
    this.#watch.begin().catch(() => undefined)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async command(command: NodeCommand): Promise<unknown> {
    const { name } = this.#options.placement.node
    switch (command.command) {
      case 'inspect':
        return this.#inspect()
      case 'vote':
        throw new RelishError('refused', `${name} is run by C tor, which votes at its fixed times only`)
      case 'signal':
        await this.#control.command(`SIGNAL ${signalNames[command.signal]}`)
        return undefined
      case 'build-circuit': {
        const [line] = await this.#control.command(`EXTENDCIRCUIT 0 ${command.path.map((hop) => `$${hop}`).join(',')}`)
        return Number(/^EXTENDED (\d+)/.exec(line?.text ?? '')?.[1])
      }
      case 'choose-paths':
        throw new RelishError('refused', `${name} is run by C tor, which tells only of circuits that it builds`)
      case 'explain-circuit':
      case 'explain-relay':
        throw new RelishError('refused', `${name} is run by C tor, which does not say why it chooses`)
      case 'document':
        return this.#document(command.name)
    }
  }

  signal(signal: 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'): void {
    this.#child.signal(signal)
  }

  stop(): Promise<void> {
    return this.#child.stop()
  }

  kill(): Promise<void> {
    return this.#child.kill()
  }

  #inspect(): Promise<NodeInspection> {
    const { node, dataDirectory } = this.#options.placement
    const file = join(dataDirectory, 'fingerprint-ed25519')
    const identity = existsSync(file) ? readFileSync(file, 'latin1').trim().split(' ')[1] : undefined
    const { version } = this.#watch
    return inspectTor(this.#control, {
      nickname: node.name,
      version: `Tor ${version}`,
      roles: node.role === 'client' ? ['client'] : node.role === 'authority' ? ['authority', 'relay'] : node.role === 'exit' ? ['relay', 'exit'] : ['relay'],
      ...this.#watch.state,
      ed25519: identity === undefined ? undefined : hexEncode(base64Decode(identity)),
      listeners: [...this.#listeners],
      warnings: [...this.#warnings],
    })
  }

  /** What C tor's control port gives; certificates it keeps in a file. */
  async #document(document: string): Promise<string> {
    const { node, dataDirectory } = this.#options.placement
    switch (document) {
      case 'consensus':
        return this.#documentOf(consensusKeys.ns)
      case 'consensus-microdesc':
        return this.#documentOf(consensusKeys.microdesc)
      case 'descriptor':
        return this.#documentOf('dir/server/authority')
      case 'certificates': {
        const file = join(dataDirectory, 'cached-certs')
        if (existsSync(file)) return readFileSync(file, 'latin1')
        break
      }
    }
    throw new RelishError('unavailable', `${node.name} is run by C tor, which has no ${document} for its controller`)
  }

  async #documentOf(key: string): Promise<string> {
    const text = await this.#control.ask(key)
    if (text === undefined) throw new RelishError('unavailable', `${this.#options.placement.node.name} has no answer to GETINFO ${key}`)
    return documentText(text)
  }

  #handleEnd(reason: string | undefined): void {
    this.#control.close()
    this.#options.onExit(reason === undefined ? undefined : withWords(reason, this.#lastWarnings()))
  }

  #lastWarnings(): string[] {
    const files = [this.#options.errorFile, join(this.#options.placement.dataDirectory, 'node.log')]
    return files.flatMap((file) => lastWords(file).filter((line) => /\[(warn|err)\]/.test(line))).slice(-5)
  }
}
