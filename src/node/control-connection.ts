/** One controller: its stream, its session, and what its commands do to the node. */

import { RelishError } from '../core/base/errors.ts'
import { canonicalIp } from '../core/ident/address.ts'
import { seconds, type MonotonicMs } from '../core/base/time.ts'
import type { ConfAnswer, ControlActions, ControlSignal, InfoAnswer, Outcome } from '../core/control/actions.ts'
import type { ControlSecrets } from '../core/control/authentication.ts'
import { eventBacklogBytesFatal, eventBacklogBytesMax } from '../core/control/limits.ts'
import { ControlSession } from '../core/control/session.ts'
import { versionText } from '../core/base/version.ts'
import { formatConfigValue, type ConfigLine } from '../core/torrc/config-line.ts'
import type { TorConfig } from '../core/torrc/config.ts'
import { effectiveText } from '../core/torrc/dump.ts'
import { lookUpKeyword } from '../core/torrc/option-table.ts'
import type { ByteStream, Runtime } from '../runtime/index.ts'
import type { ControlEvents } from './control-events.ts'
import { getInfo } from './control-info.ts'
import type { ControlledNode } from './controlled-node.ts'
import type { ConfigSource, NodeOwner } from './node.ts'

/** What a connection needs of the control port. */
export interface ControlContext {
  readonly runtime: Runtime
  readonly owner: NodeOwner
  readonly node: ControlledNode
  readonly events: ControlEvents
  readonly eventNames: readonly string[]
  readonly startedAt: MonotonicMs
  config(): TorConfig
  secrets(): ControlSecrets
  forget(connection: ControlConnection): void
}

/** For a controller to read the last reply. */
const farewell = seconds(2)

export class ControlConnection implements ControlActions {
  readonly version = versionText
  readonly eventNames: readonly string[]
  readonly #context: ControlContext
  readonly #stream: ByteStream
  readonly #session: ControlSession
  /** TAKEOWNERSHIP was sent. */
  ownsNode = false

  constructor(context: ControlContext, stream: ByteStream) {
    this.#context = context
    this.#stream = stream
    this.eventNames = context.eventNames
    this.#session = new ControlSession(this, { send: (bytes) => void stream.write(bytes), close: () => this.#close() })
  }

  start(): void {
    this.#stream.start({
      onData: (chunk) => this.#session.handleData(chunk),
      onEnd: () => this.#stream.end(),
      onDrain: () => undefined,
      onClose: () => this.#context.forget(this),
    })
  }

  destroy(): void {
    this.#stream.destroy()
  }

  wants(event: string): boolean {
    return this.#session.events.has(event)
  }

  /** A controller that does not read loses events, and in the end its connection. */
  sendEvent(text: string, data?: string): void {
    const backlog = this.#stream.bufferedBytes
    if (backlog > eventBacklogBytesFatal) this.#stream.destroy()
    else if (backlog <= eventBacklogBytesMax) this.#session.sendEvent(text, data)
  }

  /** An event of several lines. */
  sendEventLines(lines: readonly string[]): void {
    if (this.#stream.bufferedBytes <= eventBacklogBytesMax) this.#session.sendEventLines(lines)
  }

  // What commands do.

  secrets(): ControlSecrets {
    return this.#context.secrets()
  }

  randomBytes(length: number): Uint8Array {
    return this.#context.runtime.rng('control nonces').bytes(length)
  }

  info(key: string): InfoAnswer {
    const { runtime, node, owner, startedAt, events, eventNames } = this.#context
    return getInfo({ runtime, node, owner, startedAt, eventNames, config: () => this.#context.config(), bandwidthHistory: () => events.bandwidthHistory() }, key)
  }

  knowsOption(keyword: string): boolean {
    const { kind } = lookUpKeyword(keyword)
    return kind === 'option' || kind === 'hidden-service' || keyword.toLowerCase() === 'hiddenserviceoptions'
  }

  conf(keyword: string): ConfAnswer {
    const config = this.#context.config()
    if (keyword.toLowerCase() === 'hiddenserviceoptions') {
      const lines = config.hiddenServiceLines.map((line) => ({ name: line.keyword, value: formatConfigValue(line.value) }))
      return { kind: 'values', lines: lines.length === 0 ? [{ name: 'HiddenServiceOptions', value: undefined }] : lines }
    }
    const meaning = lookUpKeyword(keyword)
    if (meaning.kind !== 'option') return { kind: 'unknown' }
    const values = effectiveText(config, meaning.name)
    // Of a list that is not set there is nothing to say but its name; the same holds for the default of a port.
    if (values.length === 0 || (meaning.spec.kind.isList && !config.assigned.has(meaning.name))) {
      return { kind: 'values', lines: [{ name: meaning.name, value: undefined }] }
    }
    return { kind: 'values', lines: values.map((value) => ({ name: meaning.name, value: formatConfigValue(value) })) }
  }

  setConf(lines: readonly ConfigLine[]): void {
    this.#configSource().change(lines)
  }

  loadConf(text: string): void {
    this.#configSource().replace(text)
  }

  saveConf(): void {
    this.#configSource().save()
  }

  signal(signal: ControlSignal): void {
    const { node, owner, events, runtime } = this.#context
    events.handleSignal(signal)
    switch (signal) {
      case 'RELOAD':
      case 'HUP':
        this.#reload()
        return
      case 'SHUTDOWN':
      case 'INT':
        if (owner.requestExit !== undefined) owner.requestExit('SHUTDOWN')
        else node.signal('SHUTDOWN')
        return
      case 'HALT':
      case 'TERM':
        if (owner.requestExit !== undefined) owner.requestExit('HALT')
        else node.signal('HALT')
        return
      case 'DUMP':
      case 'USR1':
        node.signal('DUMP')
        return
      case 'DEBUG':
      case 'USR2':
        owner.logEverything?.()
        return
      case 'NEWNYM':
        node.signal('NEWNYM')
        return
      case 'HEARTBEAT': {
        const { read, written } = node.traffic()
        runtime.log.write('notice', 'heartbeat', `Heartbeat: ${node.inspect().circuits.length} circuits open. We've sent ${written} and received ${read} bytes.`)
        return
      }
      case 'CLEARDNSCACHE':
      case 'ACTIVE':
      case 'DORMANT':
        // No answers are kept, and a node never goes dormant.
        return
    }
  }

  extendCircuit(path: readonly string[] | undefined, _purpose: string, onDone: (outcome: Outcome<number>) => void): void {
    this.#context.node.buildCircuit(path, (result) =>
      onDone(result instanceof RelishError ? { ok: false, reason: result.message } : { ok: true, value: result.id }),
    )
  }

  closeCircuit(id: number, onlyIfUnused: boolean): boolean {
    return this.#context.node.closeCircuit(id, onlyIfUnused)
  }

  /** Mappings are configuration here: a MapAddress line of its own for each. */
  mapAddress(from: string, to: string): { readonly from: string; readonly to: string } {
    const original = from.toLowerCase()
    if (original === '.' || canonicalIp(original) === '0.0.0.0' || canonicalIp(original) === '::') {
      throw new RelishError('refused', 'virtual addresses are not handed out; name the original address')
    }
    const kept = effectiveText(this.#context.config(), 'MapAddress').filter((line) => line.split(/\s+/)[0]?.toLowerCase() !== original)
    const lines = original === to.toLowerCase() ? kept : [...kept, `${original} ${to}`]
    const position = { file: 'controller' }
    if (lines.length === 0) this.setConf([{ keyword: 'MapAddress', value: '', command: 'clear', position }])
    else this.setConf(lines.map((value) => ({ keyword: 'MapAddress', value, command: 'replace', position })))
    return { from, to }
  }

  resolve(): void {
    throw new RelishError('unavailable', 'names are resolved with SOCKS RESOLVE')
  }

  takeOwnership(own: boolean): void {
    this.ownsNode = own
  }

  eventsChanged(): void {
    this.#context.events.wantsChanged()
  }

  /** What was sent goes out first; a controller that stays is left after a moment. */
  #close(): void {
    this.#stream.end()
    this.#context.runtime.setTimer(farewell, () => this.#stream.destroy())
  }

  #configSource(): ConfigSource {
    const { config } = this.#context.owner
    if (config === undefined) throw new RelishError('unavailable', 'the configuration of this node cannot be changed')
    return config
  }

  #reload(): void {
    const { owner, node, runtime } = this.#context
    runtime.log.write('notice', 'control', 'Received reload signal (hup). Reloading config and resetting internal state.')
    try {
      owner.config?.reload()
      node.signal('HUP')
    } catch (thrown) {
      if (!(thrown instanceof RelishError) || thrown.kind === 'bug') throw thrown
      runtime.log.write('warn', 'config', `Reading config failed, and nothing was changed: ${thrown.message}`)
    }
  }
}
