/** What controllers are told unasked (control-spec §4.1). Costs nothing while nobody has asked for it with SETEVENTS. */

import { later, seconds, type DurationMs } from '../core/base/time.ts'
import { bandwidthHistorySecMax, logEventBytesMax } from '../core/control/limits.ts'
import { quote } from '../core/control/arguments.ts'
import type { ControlSignal } from '../core/control/actions.ts'
import type { ConfigChange } from '../core/torrc/reload.ts'
import type { NodeEvent } from '../runtime/events.ts'
import type { LogLevel, Runtime, Timer } from '../runtime/index.ts'
import { controlStreamId, formatCircuit, formatRouterStatus, linkName, nicknamesOf } from './control-format.ts'
import type { ControlledNode } from './controlled-node.ts'
import type { News, NewsBoard } from './node-news.ts'
import type { NodeOwner } from './node.ts'

/**
 * What SETEVENTS takes. All of C tor's, so that controllers made for it can connect; those from the second line on have
 * nothing to tell here and stay silent.
 */
export const controlEventNames: readonly string[] = Object.freeze([
  'CIRC', 'STREAM', 'ORCONN', 'BW', 'DEBUG', 'INFO', 'NOTICE', 'WARN', 'ERR', 'NEWCONSENSUS', 'NS', 'STATUS_GENERAL', 'STATUS_CLIENT', 'STATUS_SERVER', 'SIGNAL', 'CONF_CHANGED', 'GUARD', 'NETWORK_LIVENESS',
  'NEWDESC', 'ADDRMAP', 'DESCCHANGED', 'STREAM_BW', 'CLIENTS_SEEN', 'BUILDTIMEOUT_SET', 'CIRC_MINOR', 'TRANSPORT_LAUNCHED', 'CONN_BW', 'CIRC_BW', 'CELL_STATS', 'HS_DESC', 'HS_DESC_CONTENT', 'PT_LOG', 'PT_STATUS',
])

const levelEvents: readonly (readonly [event: string, level: LogLevel])[] = [
  ['DEBUG', 'debug'],
  ['INFO', 'info'],
  ['NOTICE', 'notice'],
  ['WARN', 'warn'],
  ['ERR', 'error'],
]

/** Names by which SIGNAL events tell a signal (control-spec §4.1.17). */
const signalNames: Readonly<Partial<Record<ControlSignal, string>>> = { HUP: 'RELOAD', INT: 'SHUTDOWN', USR1: 'DUMP', USR2: 'DEBUG', TERM: 'HALT' }

/** A controller that may have asked for events. */
export interface EventReceiver {
  wants(event: string): boolean
  sendEvent(text: string, data?: string): void
  sendEventLines(lines: readonly string[]): void
}

export interface ControlEventsParts {
  readonly runtime: Runtime
  readonly owner: NodeOwner
  readonly node: ControlledNode
  readonly news: NewsBoard
  readonly connections: () => Iterable<EventReceiver>
}

export class ControlEvents {
  readonly #parts: ControlEventsParts
  readonly #history: { readonly read: number; readonly written: number }[] = []
  #lastTraffic: { readonly read: number; readonly written: number }
  #bandwidthTimer: Timer | undefined
  #following: { close(): void } | undefined
  #logFollowing: { close(): void } | undefined
  /** A log message about an event would be an event again. */
  #inLogEvent = false

  constructor(parts: ControlEventsParts) {
    this.#parts = parts
    this.#lastTraffic = parts.node.traffic()
  }

  /** Bytes of each of the last seconds while somebody followed BW. */
  bandwidthHistory(): readonly { readonly read: number; readonly written: number }[] {
    return this.#history
  }

  /** Some controller's wishes have changed: follows what is wanted now, and nothing else. */
  wantsChanged(): void {
    const wants = (event: string): boolean => this.#anyWants(event)
    const wantsNews = wants('CIRC') || wants('STREAM') || wants('ORCONN')
    if (wantsNews) this.#following ??= this.#parts.news.follow((news) => this.#handleNews(news))
    else {
      this.#following?.close()
      this.#following = undefined
    }
    this.#followLog(new Set(levelEvents.filter(([event]) => wants(event)).map(([, level]) => level)))
    if (wants('BW')) this.#startBandwidth()
    else {
      this.#bandwidthTimer?.cancel()
      this.#bandwidthTimer = undefined
    }
  }

  handleNodeEvent(event: NodeEvent): void {
    switch (event.kind) {
      case 'bootstrap':
        this.#tell('STATUS_CLIENT', `NOTICE BOOTSTRAP PROGRESS=${event.progress} TAG=${event.tag} SUMMARY=${quote(event.summary)}`)
        if (event.progress === 100) this.#tell('STATUS_CLIENT', 'NOTICE CIRCUIT_ESTABLISHED')
        return
      case 'stage':
        if (event.stage === 'directory') this.#tell('STATUS_CLIENT', 'NOTICE ENOUGH_DIR_INFO')
        if (event.stage === 'published') this.#tell('STATUS_SERVER', 'NOTICE GOOD_SERVER_DESCRIPTOR')
        return
      case 'consensus':
        this.#newConsensus(event.flavour)
        return
      case 'listening':
      case 'waiting':
      case 'setback':
      case 'warning':
      case 'stopped':
    }
  }

  handleSignal(signal: ControlSignal): void {
    this.#tell('SIGNAL', signalNames[signal] ?? signal)
  }

  /** control-spec §4.1.18. */
  handleConfigChanged(changes: readonly ConfigChange[]): void {
    const lines = changes.flatMap(({ name, to }) => (to.length === 0 ? [name] : to.map((value) => `${name}=${value}`)))
    for (const connection of this.#parts.connections()) {
      if (connection.wants('CONF_CHANGED')) connection.sendEventLines(['CONF_CHANGED', ...lines, 'OK'])
    }
  }

  stop(): void {
    this.#bandwidthTimer?.cancel()
    this.#following?.close()
    this.#logFollowing?.close()
  }

  #anyWants(event: string): boolean {
    for (const connection of this.#parts.connections()) if (connection.wants(event)) return true
    return false
  }

  #tell(event: string, text: string, data?: string): void {
    for (const connection of this.#parts.connections()) {
      if (connection.wants(event)) connection.sendEvent(text === '' ? event : `${event} ${text}`, data)
    }
  }

  #handleNews(news: News): void {
    const nicknameOf = nicknamesOf(this.#parts.node.documents())
    switch (news.kind) {
      case 'circuit': {
        const { runtime } = this.#parts
        const createdAt = later(runtime.wallNow(), (news.createdAt - runtime.monotonicNow()) as DurationMs)
        this.#tell('CIRC', formatCircuit({ ...news, createdAt }, news.status, nicknameOf, news))
        return
      }
      case 'stream': {
        const reasons = `${news.reason === undefined ? '' : ` REASON=${news.reason}`}${news.remoteReason === undefined ? '' : ` REMOTE_REASON=${news.remoteReason}`}`
        const target = news.target.includes(':') ? news.target : '(Tor_internal):0'
        const purpose = news.status === 'NEW' ? ` PURPOSE=${target === news.target ? 'USER' : 'DIR_FETCH'}` : ''
        this.#tell('STREAM', `${controlStreamId(news.circuit, news.stream)} ${news.status} ${news.status === 'NEW' ? 0 : news.circuit} ${target}${reasons}${purpose}`)
        return
      }
      case 'link': {
        const reason = news.reason === undefined ? '' : ` REASON=${news.reason}`
        this.#tell('ORCONN', `${linkName(news, nicknameOf)} ${news.status}${reason} ID=${news.id}`)
      }
    }
  }

  /** control-spec §4.1.15: all relays of the consensus. */
  #newConsensus(flavour: 'ns' | 'microdesc'): void {
    const consensus = this.#parts.node.documents()?.consensus(flavour)
    if (consensus === undefined) return
    for (const event of ['NEWCONSENSUS', 'NS']) {
      if (this.#anyWants(event)) this.#tell(event, '', consensus.relays.map(formatRouterStatus).join(''))
    }
  }

  #startBandwidth(): void {
    if (this.#bandwidthTimer !== undefined) return
    this.#lastTraffic = this.#parts.node.traffic()
    this.#planBandwidth()
  }

  #planBandwidth(): void {
    this.#bandwidthTimer = this.#parts.runtime.setTimer(seconds(1), () => {
      const now = this.#parts.node.traffic()
      const one = { read: now.read - this.#lastTraffic.read, written: now.written - this.#lastTraffic.written }
      this.#lastTraffic = now
      this.#history.push(one)
      if (this.#history.length > bandwidthHistorySecMax) this.#history.shift()
      this.#tell('BW', `${one.read} ${one.written}`)
      this.#planBandwidth()
    })
  }

  #followLog(levels: ReadonlySet<LogLevel>): void {
    this.#logFollowing?.close()
    this.#logFollowing = undefined
    if (levels.size === 0) return
    this.#logFollowing = this.#parts.owner.followLog?.(levels, (level, message) => {
      if (this.#inLogEvent) return
      this.#inLogEvent = true
      try {
        const event = levelEvents.find((each) => each[1] === level)?.[0] ?? 'NOTICE'
        const text = message.slice(0, logEventBytesMax)
        if (text.includes('\n')) this.#tell(event, '', text)
        else this.#tell(event, text)
      } finally {
        this.#inLogEvent = false
      }
    })
  }
}
