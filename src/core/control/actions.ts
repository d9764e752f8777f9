/** What the control session needs from the node: declared here, implemented above. */

import type { ConfigLine } from '../torrc/config-line.ts'
import type { ControlSecrets } from './authentication.ts'

export type InfoAnswer =
  | { readonly kind: 'value'; readonly value: string }
  /** No such key. */
  | { readonly kind: 'unknown' }
  /** The key is known, but there is no answer now. */
  | { readonly kind: 'failed'; readonly reason: string }

/** Values of an option, or the name of nothing. */
export type ConfAnswer = { readonly kind: 'values'; readonly lines: readonly { readonly name: string; readonly value: string | undefined }[] } | { readonly kind: 'unknown' }

export const controlSignals = [
  'RELOAD', 'HUP', 'SHUTDOWN', 'INT', 'DUMP', 'USR1', 'DEBUG', 'USR2', 'HALT', 'TERM', 'NEWNYM', 'CLEARDNSCACHE', 'HEARTBEAT', 'ACTIVE', 'DORMANT',
] as const
export type ControlSignal = (typeof controlSignals)[number]

/** A request that ends well, or with a complaint for people. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string }

export interface ControlActions {
  /** As C tor's `GETINFO version`. */
  readonly version: string
  secrets(): ControlSecrets
  randomBytes(length: number): Uint8Array
  /** GETINFO of one key. */
  info(key: string): InfoAnswer
  /** GETCONF of one keyword. */
  conf(keyword: string): ConfAnswer
  knowsOption(keyword: string): boolean
  /** SETCONF and RESETCONF. Throws `config`, and then nothing has changed. */
  setConf(lines: readonly ConfigLine[]): void
  /** Throws `config`. */
  loadConf(text: string): void
  /** Throws `local-io`. */
  saveConf(): void
  /** Called after the reply is on its way. */
  signal(signal: ControlSignal): void
  /** Answers once the circuit is there or has failed. */
  extendCircuit(path: readonly string[] | undefined, purpose: string, onDone: (outcome: Outcome<number>) => void): void
  /** False: no such circuit. */
  closeCircuit(id: number, onlyIfUnused: boolean): boolean
  /** The mapping made; throws `refused`. */
  mapAddress(from: string, to: string): { readonly from: string; readonly to: string }
  /** The answer comes as an ADDRMAP event. */
  resolve(host: string, reverse: boolean): void
  /** The node is to end when this connection does. */
  takeOwnership(own: boolean): void
  /** Events that SETEVENTS knows. */
  readonly eventNames: readonly string[]
  /** The events wanted by this connection have changed. */
  eventsChanged(events: ReadonlySet<string>): void
}
