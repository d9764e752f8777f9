/**
 * What a node needs from the world around it: types only. `host` implements this on Node.js, `sim` on a virtual clock.
 * Everything is synchronous and answers through callbacks; a callback is never called before the call that registered
 * it has returned. Only drivers in `node` see it; `core` gets times, bytes and randomness as arguments.
 */

import type { RelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import type { DurationMs, MonotonicMs, WallMs } from '../core/base/time.ts'
import type { RsaPrivateKey } from '../core/crypto/rsa.ts'
import type { TraceSink } from './trace.ts'

/** An address and a port. */
export interface SocketAddress {
  /** IPv4 in dotted form, or IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

export interface Timer {
  /** Harmless when it has fired or was cancelled before. */
  cancel(): void
}

export interface ByteStreamHandlers {
  /** Bytes that arrived. The array belongs to the receiver only during the call, unless it copies. At most 64 KiB. */
  onData(chunk: Uint8Array): void
  /** The peer will send no more. Writing is still possible. */
  onEnd(): void
  /** What was buffered for writing has gone below the low mark after `write` returned false. */
  onDrain(): void
  /** Called once, last. `error` is undefined after an orderly close. */
  onClose(error: RelishError | undefined): void
}

/** An established byte stream. Created paused: bytes flow once `start` was called. */
export interface ByteStream {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Sets the handlers and begins reading. Called once. */
  start(handlers: ByteStreamHandlers): void
  /** Copies `chunk`, which the caller may use again at once. False when more than the high mark is now buffered: stop until `onDrain`. */
  write(chunk: Uint8Array): boolean
  /** Bytes accepted by `write` and not yet given to the operating system. */
  readonly bufferedBytes: number
  /** No more writes; what is buffered is sent first. */
  end(): void
  /** Closes at once and drops what is buffered. `onClose` follows. */
  destroy(): void
  /** Stops and restarts reading: back pressure on the peer. */
  pauseReading(): void
  resumeReading(): void
}

/** What the link layer needs to know of TLS, or of what stands for it in simulation. */
export interface SecureByteStream extends ByteStream {
  /** DER of the certificate the peer showed; undefined when it showed none (an initiator may not). */
  readonly peerCertificate: Uint8Array | undefined
  /** DER of the certificate we showed; undefined when we showed none. */
  readonly localCertificate: Uint8Array | undefined
  /** RFC 5705 exported keying material; both ends get the same bytes. */
  exportKeyingMaterial(length: number, label: string, context: Uint8Array): Uint8Array
}

export interface DialOptions {
  readonly target: SocketAddress
  /** Local address to connect from; the operating system's choice if absent. */
  readonly localHost?: string
  readonly timeout: DurationMs
  /** An HTTP proxy that is asked to CONNECT to the target first. */
  readonly httpsProxy?: SocketAddress
}

export interface DialHandlers<Stream> {
  onConnect(stream: Stream): void
  /** `refused` when the peer refused, `timeout`, or `local-io` for the rest (no route, reset). `code` of the cause tells more. */
  onError(error: RelishError): void
}

export interface ListenHandlers<Stream> {
  /** The listener is bound; `address` has the real port. */
  onListening(address: SocketAddress): void
  onConnection(stream: Stream): void
  onError(error: RelishError): void
}

export interface Listener {
  /** Stops accepting; established streams stay. */
  close(): void
}

/** Certificate and private key for the listening side of a link. */
export interface TlsIdentity {
  readonly certificateDer: Uint8Array
  /** PKCS #8 DER of a P-256 key. */
  readonly privateKeyDer: Uint8Array
}

export interface Network {
  dial(options: DialOptions, handlers: DialHandlers<ByteStream>): { cancel(): void }
  /** TLS as initiator: any certificate is accepted, since identity is proven by CERTS cells. */
  dialSecure(options: DialOptions, handlers: DialHandlers<SecureByteStream>): { cancel(): void }
  listen(address: SocketAddress, handlers: ListenHandlers<ByteStream>): Listener
  listenSecure(address: SocketAddress, identity: () => TlsIdentity, handlers: ListenHandlers<SecureByteStream>): Listener
  /** Listens on a Unix socket; `unavailable` where there is none. */
  listenUnix(path: string, handlers: ListenHandlers<ByteStream>): Listener
}

/** One answer of the resolver: addresses with their time to live, or the failure. */
export type ResolveResult =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly ttlSec: number }
  | { readonly kind: 'names'; readonly names: readonly string[]; readonly ttlSec: number }
  /** `transient` failures may be asked again; others mean the name does not exist. */
  | { readonly kind: 'failed'; readonly transient: boolean; readonly reason: string }

export interface Resolver {
  /** Addresses of a host name, IPv4 and IPv6. */
  resolve(name: string, onResult: (result: ResolveResult) => void): void
  /** Names of an address (PTR). */
  reverse(address: string, onResult: (result: ResolveResult) => void): void
}

/** A node's data directory. Paths are relative to it, with `/`. Synchronous, since files are small and start-up wants order. */
export interface FileStore {
  /** Undefined if there is no such file. Throws `local-io` for other failures. */
  read(path: string): Uint8Array | undefined
  /** Replaces the file as a whole, or leaves it as it was. `mode` is 0o600 unless given; parent folders are made with 0o700. */
  write(path: string, content: Uint8Array, mode?: number): void
  append(path: string, content: Uint8Array): void
  remove(path: string): void
  /** Names in a folder; empty if there is no such folder. */
  list(path: string): readonly string[]
  /** Size in bytes and time of last change; undefined if there is no such file. */
  stat(path: string): { readonly bytes: number; readonly modified: WallMs } | undefined
}

/** How important a message is, most important first. */
export type LogLevel = 'error' | 'warn' | 'notice' | 'info' | 'debug'

export interface Log {
  /** Whether a message of this level and domain would go anywhere: asked before building costly text. */
  enabled(level: LogLevel, domain: string): boolean
  /** `domain` is one of C tor's, in lower case: general, net, or, circ, app, dir, dirserv, handshake, protocol, config, … */
  write(level: LogLevel, domain: string, message: string): void
}

/**
 * What nodes of one process have found out from the same input, so that a document that all of them hold is read and
 * checked once. Bounded: what is forgotten is worked out again.
 */
export interface WorkMemory {
  /**
   * `work(input)`, or what an earlier call with this `kind` and `input` gave. The result follows from the input alone, and
   * nobody changes it. What is thrown is not remembered.
   */
  remember<T>(kind: string, input: string, work: (input: string) => T): T
  /** The same for what follows from an object that is never changed, kept as long as that object. */
  derive<From extends object, T>(kind: string, from: From, work: (from: From) => T): T
}

export interface Runtime {
  readonly monotonicNow: () => MonotonicMs
  readonly wallNow: () => WallMs
  /** Runs `callback` once, `delay` from now; never before the current handler has returned. */
  setTimer(delay: DurationMs, callback: () => void): Timer
  /** Randomness for a named purpose. Two calls with one purpose give one stream that goes on, not a copy. */
  rng(purpose: string): Rng
  readonly network: Network
  readonly resolver: Resolver
  readonly files: FileStore
  readonly log: Log
  /** Where events for traces go; undefined when nobody records. */
  readonly trace: TraceSink | undefined
  /** Whether what only some versions of Node.js can do may be done. Not in a simulation, which is the same everywhere. */
  readonly variesByPlatform?: boolean
  /** Shared with the other nodes of this process; absent where there are none. */
  readonly memory?: WorkMemory | undefined
  /** A new RSA key with exponent 65537. May take long, so it answers through a callback. */
  generateRsaKey(bits: number, onKey: (key: RsaPrivateKey) => void): void
  /** A P-256 key for TLS: PKCS #8 DER and SPKI DER, and its ECDSA-SHA256 signature for certificates. */
  generateTlsKey(): TlsKey
}

export interface TlsKey {
  readonly privateKeyDer: Uint8Array
  readonly publicKeyDer: Uint8Array
  /** DER-encoded ECDSA signature over SHA-256 of `data`. */
  sign(data: Uint8Array): Uint8Array
}
