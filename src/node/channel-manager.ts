/**
 * The channels of a node: dials and accepts links, finds an open one for a relay, and closes them all in the end. A
 * channel itself is `link-channel.ts`.
 */

import { bytesEqual, hexEncodeUpper } from '../core/base/encoding.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import { RelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import { durationMs, type DurationMs } from '../core/base/time.ts'
import type { Cell } from '../core/cell/cell.ts'
import { CellSpace } from '../core/cell/cell-space.ts'
import type { CertsChecks, LinkCredentials } from '../core/cert/link-certs.ts'
import type { ChannelOpen, ChannelOptions } from '../core/proto/channel/channel-types.ts'
import type { LinkPaddingRules } from '../core/proto/channel/link-padding.ts'
import { DestroyReason } from '../core/cell/commands.ts'
import type { ChannelInspection } from '../runtime/events.ts'
import type { Listener, Runtime, SecureByteStream, SocketAddress } from '../runtime/index.ts'
import type { Channel, ChannelCallbacks, ChannelClosed, Channels, ChannelTarget, CreateHandler } from './channel.ts'
import { CHANNELS_MAX, CIRCUIT_QUEUE_HIGH_CELLS, CIRCUIT_QUEUE_LOW_CELLS, DIAL_TIMEOUT, LINK_CREDENTIALS_KEPT } from './limits.ts'
import { LinkChannel, type ChannelOwner, type CircuitQueueMarks } from './link-channel.ts'
import type { LinkNews, NewsBoard } from './node-news.ts'
import { sharedCertsChecks } from './shared-certs.ts'
import { fixedCell } from '../core/cell/cell.ts'
import { ChannelCommand } from '../core/cell/commands.ts'
import { encodeDestroy } from '../core/cell/circuit-messages.ts'

export interface ChannelManagerOptions {
  /** A relay's keys and certificates for links; undefined for a client, which neither listens nor authenticates. */
  readonly credentials: (() => LinkCredentials) | undefined
  /** Our own addresses as NETINFO tells them (tor-spec §4.5); none for a client. */
  readonly myAddresses: () => readonly string[]
  /** `OutboundBindAddress`. */
  readonly localHost?: string
  /** `HTTPSProxy`. */
  readonly httpsProxy?: SocketAddress
  /** Gets circuits that peers create; without it they are refused. */
  readonly onCreate?: CreateHandler
  /** A link that we dial moves on: for telling how bootstrapping goes. */
  readonly onLinkStep?: (step: LinkStep) => void
  /** How links between clients and relays are padded (padding-spec §2); not at all unless given. */
  readonly linkPadding?: () => LinkPaddingRules
  /** `KeepalivePeriod`: an open link that has sent nothing for so long sends a PADDING cell. Never unless given. */
  readonly keepalivePeriod?: () => DurationMs
  /** `cellq_high` and `cellq_low` of the consensus. */
  readonly circuitQueueMarks?: () => CircuitQueueMarks
  readonly news?: NewsBoard
  /** A link that we dialled did not come up: one address of its target, others may follow. */
  readonly onDialFailed?: (failed: DialFailed) => void
  /** Every channel that opens: whoever keeps an eye on clocks, addresses or reachability. */
  readonly onChannelOpen?: (channel: Channel, open: ChannelOpen) => void
}

/** What happens to a link on its way up. */
export type LinkStep = 'conn' | 'conn_done' | 'handshake' | 'handshake_done'

export interface DialFailed {
  readonly target: ChannelTarget
  readonly address: SocketAddress
  readonly error: RelishError
  /** The peer was reached and is somebody else. */
  readonly isOther: boolean
}

/** A link being dialled: one address after the other. */
interface Dial {
  readonly target: ChannelTarget
  readonly waiting: Set<ChannelCallbacks>
  nextAddress: number
  attempt: { cancel(): void } | undefined
  channel: LinkChannel | undefined
  /** Whether it is there to see if the relay can be reached. That one cannot is no news then. */
  readonly isTest: boolean
}

export class ChannelManager implements Channels, ChannelOwner {
  readonly #runtime: Runtime
  readonly #certsChecks: CertsChecks | undefined
  readonly #options: ChannelManagerOptions
  readonly #rng: Rng
  readonly #channels = new Map<number, LinkChannel>()
  /** Open channels to relays that have proven who they are, by RSA identity. */
  readonly #byIdentity = new Map<string, Set<LinkChannel>>()
  readonly #space = new CellSpace()
  readonly #dials = new Map<string, Dial>()
  readonly #listeners: Listener[] = []
  /** What our listeners have shown lately, the newest first: a connection belongs to the one it was shown. */
  #credentialsShown: LinkCredentials[] = []
  #nextId = 1
  #tests = 0
  #closedTraffic: { readonly read: number; readonly written: number } = { read: 0, written: 0 }
  #stopped = false

  constructor(runtime: Runtime, options: ChannelManagerOptions) {
    this.#runtime = runtime
    this.#certsChecks = sharedCertsChecks(runtime)
    this.#options = options
    this.#rng = runtime.rng('channels')
  }

  /** Accepts links on `address`. Only for relays. */
  listen(address: SocketAddress, handlers: { onListening(address: SocketAddress): void; onError(error: RelishError): void }): void {
    this.#listeners.push(
      this.#runtime.network.listenSecure(address, () => this.#currentCredentials().tls, {
        onListening: handlers.onListening,
        onError: handlers.onError,
        onConnection: (stream) => this.#accept(stream),
      }),
    )
  }

  find(target: ChannelTarget): Channel | undefined {
    let usable: LinkChannel | undefined
    for (const channel of this.#byIdentity.get(hexEncodeUpper(target.rsaIdentity)) ?? []) {
      const { ed25519Identity, address } = channel.peer
      if (target.ed25519Identity !== undefined && (ed25519Identity === undefined || !bytesEqual(target.ed25519Identity, ed25519Identity))) continue
      // tor-spec §5.3.1: the IP is the one asked for, or the peer says that it is its own.
      if (channel.canonical) return channel
      if (target.addresses.length === 0 || target.addresses.some((wanted) => wanted.host === address.host)) usable ??= channel
    }
    return usable
  }

  get(target: ChannelTarget, callbacks: ChannelCallbacks): { cancel(): void } {
    const found = this.find(target)
    if (found !== undefined) return this.#answerLater(found, target, callbacks)
    const key = dialKey(target)
    const dial = this.#dials.get(key) ?? this.#beginDial(key, target, false)
    dial.waiting.add(callbacks)
    return { cancel: () => void dial.waiting.delete(callbacks) }
  }

  /**
   * Dials a relay although there may be a link to it, which shows nothing: to see whether it can be reached. `onOutcome` is
   * called once, later. As in C tor the new link stays for circuits, of both ends, unless there is another to that relay.
   */
  test(target: ChannelTarget, onOutcome: (reached: boolean) => void): { cancel(): void } {
    const key = `test ${this.#tests++}`
    const dial = this.#beginDial(key, target, true)
    dial.waiting.add({
      onOpen: (channel) => {
        onOutcome(true)
        if (this.#hasAnother(channel)) dial.channel?.close({ reason: 'idle', error: undefined })
      },
      onFailed: () => onOutcome(false),
    })
    return {
      cancel: () => {
        if (!this.#dials.delete(key)) return
        dial.attempt?.cancel()
        dial.channel?.close({ reason: 'idle', error: undefined })
      },
    }
  }

  /** Closes every link and listener; nothing is dialled or accepted any more. */
  closeAll(): void {
    this.#stopped = true
    for (const listener of this.#listeners.splice(0)) listener.close()
    for (const dial of this.#dials.values()) dial.attempt?.cancel()
    this.#dials.clear()
    for (const channel of [...this.#channels.values()]) channel.close({ reason: 'shutdown', error: undefined })
  }

  inspect(): readonly ChannelInspection[] {
    return [...this.#channels.values()].map((channel) => channel.inspect())
  }

  /** Bytes of all links so far, closed ones included. */
  traffic(): { readonly read: number; readonly written: number } {
    let { read, written } = this.#closedTraffic
    for (const channel of this.#channels.values()) {
      const { bytesRead, bytesWritten } = channel.inspect()
      read += bytesRead
      written += bytesWritten
    }
    return { read, written }
  }

  handleOpen(channel: LinkChannel, open: ChannelOpen): void {
    if (open.peer !== undefined) {
      const identity = hexEncodeUpper(open.peer.rsaIdentity)
      const others = this.#byIdentity.get(identity)
      if (others === undefined) this.#byIdentity.set(identity, new Set([channel]))
      else others.add(channel)
    }
    this.#publish('CONNECTED', channel)
    if (channel.peer.initiator) this.#options.onLinkStep?.('handshake_done')
    this.#options.onChannelOpen?.(channel, open)
    for (const [key, dial] of this.#dials) {
      if (dial.channel !== channel) continue
      this.#dials.delete(key)
      for (const callbacks of dial.waiting) {
        // One of those who waited may have closed everything.
        if (channel.isOpen) callbacks.onOpen(channel)
        else callbacks.onFailed(new RelishError('unavailable', 'the link was closed as it opened'))
      }
    }
  }

  handleCreate(channel: LinkChannel, cell: Cell): void {
    if (this.#options.onCreate !== undefined) {
      this.#options.onCreate(channel, cell)
      return
    }
    // A client's links carry its own circuits only.
    channel.sendCell(fixedCell(cell.circuitId, ChannelCommand.DESTROY, encodeDestroy({ reason: DestroyReason.PROTOCOL })))
  }

  circuitQueueMarks(): CircuitQueueMarks {
    return this.#options.circuitQueueMarks?.() ?? { high: CIRCUIT_QUEUE_HIGH_CELLS, low: CIRCUIT_QUEUE_LOW_CELLS }
  }

  linkPadding(): LinkPaddingRules | undefined {
    return this.#options.linkPadding?.()
  }

  keepalivePeriod(): DurationMs | undefined {
    return this.#options.keepalivePeriod?.()
  }

  handleClosed(channel: LinkChannel, closed: ChannelClosed): void {
    const { bytesRead, bytesWritten, linkProtocol } = channel.inspect()
    this.#closedTraffic = { read: this.#closedTraffic.read + bytesRead, written: this.#closedTraffic.written + bytesWritten }
    if (closed.error?.kind === 'protocol') {
      this.#runtime.log.write('info', 'protocol', `Closed the link to ${channel.peer.address.host}:${channel.peer.address.port}: ${closed.error.message}`)
    }
    this.#publish(linkProtocol === undefined ? 'FAILED' : 'CLOSED', channel, closed.error === undefined ? 'DONE' : closed.error.kind === 'timeout' ? 'TIMEOUT' : 'IOERROR')
    this.#channels.delete(channel.id)
    const { rsaIdentity } = channel.peer
    if (rsaIdentity !== undefined) {
      const identity = hexEncodeUpper(rsaIdentity)
      const others = this.#byIdentity.get(identity)
      others?.delete(channel)
      if (others?.size === 0) this.#byIdentity.delete(identity)
    }
    for (const [key, dial] of this.#dials) {
      if (dial.channel !== channel) continue
      dial.channel = undefined
      const error = closed.error ?? new RelishError('unavailable', `the link was closed before it was open: ${closed.reason}`)
      this.#tellDialFailed(dial, channel.peer.address, error, closed.reason === 'identity')
      this.#dialNext(key, dial, error, closed)
    }
  }

  #beginDial(key: string, target: ChannelTarget, isTest: boolean): Dial {
    const dial: Dial = { target, waiting: new Set(), nextAddress: 0, attempt: undefined, channel: undefined, isTest }
    this.#dials.set(key, dial)
    this.#dialNext(key, dial, new RelishError('unavailable', 'the relay has no address'))
    return dial
  }

  /** Whether circuits to that relay would find a link without this one. */
  #hasAnother({ id, peer: { rsaIdentity } }: Channel): boolean {
    const all = rsaIdentity === undefined ? undefined : this.#byIdentity.get(hexEncodeUpper(rsaIdentity))
    return all !== undefined && [...all].some((other) => other.id !== id && other.canonical)
  }

  #tellDialFailed({ target, isTest }: Dial, address: SocketAddress, error: RelishError, isOther: boolean): void {
    if (!isTest) this.#options.onDialFailed?.({ target, address, error, isOther })
  }

  /** Dials the next address of the target, or gives up with `lastError`. */
  #dialNext(key: string, dial: Dial, lastError: RelishError, lastClosed?: ChannelClosed): void {
    const address = dial.target.addresses[dial.nextAddress++]
    if (address === undefined || this.#stopped) {
      // Later, since this may be called from within `get`.
      dial.attempt = this.#runtime.setTimer(durationMs(0), () => {
        this.#dials.delete(key)
        for (const callbacks of dial.waiting) callbacks.onFailed(lastError, lastClosed)
      })
      return
    }
    const { localHost, httpsProxy } = this.#options
    const options = {
      target: address,
      timeout: DIAL_TIMEOUT,
      ...(localHost === undefined ? {} : { localHost }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
    }
    this.#options.onLinkStep?.('conn')
    const { trace } = this.#runtime
    trace?.emit({ event: 'link.dial', to: formatAddressPort(address), fingerprint: hexEncodeUpper(dial.target.rsaIdentity) })
    dial.attempt = this.#runtime.network.dialSecure(options, {
      onConnect: (stream) => {
        dial.attempt = undefined
        this.#options.onLinkStep?.('conn_done')
        this.#options.onLinkStep?.('handshake')
        const { rsaIdentity, ed25519Identity } = dial.target
        dial.channel = this.#startChannel(stream, {
          kind: 'initiator',
          expected: ed25519Identity === undefined ? { rsaIdentity } : { rsaIdentity, ed25519Identity },
          tlsCertificate: stream.peerCertificate,
          credentials: this.#options.credentials?.(),
        })
        dial.channel.start()
      },
      onError: (error) => {
        dial.attempt = undefined
        trace?.emit({ event: 'link.failed', to: formatAddressPort(address), fingerprint: hexEncodeUpper(dial.target.rsaIdentity), error: error.message })
        this.#tellDialFailed(dial, address, error, false)
        this.#dialNext(key, dial, error.within(`link to ${address.host}:${address.port}`))
      },
    })
  }

  #accept(stream: SecureByteStream): void {
    if (this.#stopped || this.#channels.size >= CHANNELS_MAX) {
      stream.destroy()
      return
    }
    const shown = stream.localCertificate
    const credentials =
      this.#credentialsShown.find((each) => shown !== undefined && bytesEqual(each.tls.certificateDer, shown)) ?? this.#currentCredentials()
    this.#startChannel(stream, { kind: 'responder', credentials }).start()
  }

  #startChannel(stream: SecureByteStream, role: ChannelOptions['role']): LinkChannel {
    const options: ChannelOptions = {
      peerAddress: stream.remote.host,
      myAddresses: this.#options.myAddresses(),
      // tor-spec §4.5: clients hide their clock.
      sendTimestamp: this.#options.credentials !== undefined,
      exportKeyingMaterial: (length, label, context) => stream.exportKeyingMaterial(length, label, context),
      rng: this.#rng,
      ...(this.#certsChecks === undefined ? {} : { certsChecks: this.#certsChecks }),
      role,
    }
    const channel = new LinkChannel(this.#nextId++, this.#runtime, stream, options, this.#space, this)
    this.#channels.set(channel.id, channel)
    this.#publish(role.kind === 'initiator' ? 'LAUNCHED' : 'NEW', channel)
    return channel
  }

  #publish(status: LinkNews['status'], channel: LinkChannel, reason?: string): void {
    const { news } = this.#options
    if (news === undefined || !news.isFollowed) return
    const { rsaIdentity, address } = channel.peer
    const named = rsaIdentity === undefined ? {} : { fingerprint: hexEncodeUpper(rsaIdentity) }
    news.publish({ kind: 'link', status, id: channel.id, remote: address, ...named, ...(reason === undefined ? {} : { reason }) })
  }

  #answerLater(found: Channel, target: ChannelTarget, callbacks: ChannelCallbacks): { cancel(): void } {
    let inner: { cancel(): void } = this.#runtime.setTimer(durationMs(0), () => {
      if (found.isOpen) callbacks.onOpen(found)
      else inner = this.get(target, callbacks)
    })
    return { cancel: () => inner.cancel() }
  }

  #currentCredentials(): LinkCredentials {
    if (this.#options.credentials === undefined) throw new RelishError('bug', 'a node without link credentials does not listen')
    const current = this.#options.credentials()
    if (this.#credentialsShown[0] !== current) this.#credentialsShown = [current, ...this.#credentialsShown].slice(0, LINK_CREDENTIALS_KEPT)
    return current
  }
}

const dialKey = (target: ChannelTarget): string =>
  `${hexEncodeUpper(target.rsaIdentity)} ${target.ed25519Identity === undefined ? '' : hexEncodeUpper(target.ed25519Identity)}`
