/** How an application asks for streams: what SOCKS and HTTP CONNECT have in common, as `ApplicationConnection` uses it. */

import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import type { LogLevel } from '../runtime/index.ts'
import type { RawRequest } from './client-request.ts'

export interface ProtocolRequest extends Omit<RawRequest, 'clientAddress'> {
  /** The application gave an address: it may have resolved a name itself, outside Tor. */
  readonly numeric: boolean
}

export type ProtocolStep =
  /** More is needed; `reply` may be empty. */
  | { readonly kind: 'more'; readonly reply: Uint8Array }
  /** `early`: bytes of the stream that came with the request. */
  | { readonly kind: 'request'; readonly reply: Uint8Array; readonly request: ProtocolRequest; readonly early: Uint8Array }
  /** Send `reply` and close. */
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly level: LogLevel; readonly words: string }

/** One handshake. After `request`, one of the replies is due. */
export interface ApplicationProtocol {
  handle(chunk: Uint8Array): ProtocolStep
  /** The stream is connected: bytes follow. */
  connected(): Uint8Array
  /** Answers of a lookup, at least one. */
  answered(answers: readonly ResolvedAnswer[]): Uint8Array
  /** `reason`: tor-spec §6.3, or one of our own. */
  failed(reason: number): Uint8Array
}
