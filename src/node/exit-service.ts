/**
 * What a relay does with streams that end at it: connects to destinations under its exit policy, resolves names, and
 * lets directory streams in. Bytes are moved by `exit-connection.ts` and `circuit-byte-stream.ts`. tor-spec §5.4, §6.2–§6.4.
 */

import { durationMs } from '../core/base/time.ts'
import { EndReason } from '../core/cell/commands.ts'
import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import { canonicalIp, isIpv6 } from '../core/ident/address.ts'
import type { Stream } from '../core/proto/stream/stream.ts'
import type { StreamRequest } from '../core/proto/stream/stream-request.ts'
import type { ByteStream, ResolveResult, Runtime } from '../runtime/index.ts'
import { addressOfArpaName } from './arpa-name.ts'
import { CircuitByteStream } from './circuit-byte-stream.ts'
import { chooseAddress, clipTtl } from './exit-address.ts'
import { ExitConnection, LingeringSockets } from './exit-connection.ts'
import { DNS_ANSWERS_MAX, DNS_NAME_LENGTH_MAX, DNS_TTL_LONG_SEC } from './limits.ts'
import type { StreamHost, StreamService, StreamSink } from './relay-circuit-driver.ts'

export interface ExitServiceOptions {
  readonly runtime: Runtime
  /** Whether streams may go to this address and port: the exit policy in force. */
  readonly allows: (address: string, port: number) => boolean
  /** `IPv6Exit`. */
  readonly ipv6Exit: () => boolean
  /** `OutboundBindAddressExit` or `OutboundBindAddress`, by family. */
  readonly bindAddresses: () => { readonly ipv4?: string; readonly ipv6?: string }
  /** Whether a relay with this RSA identity is in the consensus; undefined: unknown relays are not refused (`RefuseUnknownExits 0`). */
  readonly isKnownRelay?: (rsaIdentity: Uint8Array) => boolean
  /** Whether this is the OR port or directory port of a relay: exits do not lead back into the network, as C tor has it. */
  readonly isNetworkPort?: (address: string, port: number) => boolean
  /** Takes directory streams, as the directory port takes connections; undefined: this relay is no directory. `anonymous`: the circuit comes from a relay. */
  readonly acceptDirectory?: (stream: ByteStream, anonymous: boolean) => void
}

export class ExitService implements StreamService {
  readonly #options: ExitServiceOptions
  readonly #lingering: LingeringSockets

  constructor(options: ExitServiceOptions) {
    this.#options = options
    this.#lingering = new LingeringSockets(options.runtime)
  }

  /** The node ends. Call when its circuits are closed. */
  stop(): void {
    this.#lingering.closeAll()
  }

  open(host: StreamHost, stream: Stream, request: StreamRequest): StreamSink | undefined {
    switch (request.kind) {
      case 'connect':
        return this.#connect(host, stream, request)
      case 'directory':
        return this.#acceptDirectory(host, stream)
      case 'resolve':
        this.#resolve(host, stream, request.name)
        return undefined
    }
  }

  // BEGIN

  #connect(host: StreamHost, stream: Stream, request: Extract<StreamRequest, { kind: 'connect' }>): StreamSink | undefined {
    const refusal = this.#refusesOrigin(host)
    if (refusal !== undefined) {
      this.#end(host, stream, refusal)
      return undefined
    }
    const { runtime, bindAddresses } = this.#options
    const connection = new ExitConnection(runtime, host, stream, this.#lingering)
    const literal = canonicalIp(request.host)
    const begin = (addresses: readonly string[], ttlSec: number): void => {
      const address = chooseAddress(addresses, request.flags, this.#options.ipv6Exit())
      if (address === undefined) {
        connection.refuse({ reason: addresses.length === 0 ? EndReason.RESOLVEFAILED : EndReason.EXITPOLICY })
        return
      }
      const problem = this.#refusesDestination(address, request.port)
      if (problem !== undefined) {
        connection.refuse(problem === EndReason.EXITPOLICY ? { reason: problem, address, ttlSec } : { reason: problem })
        return
      }
      const { ipv4, ipv6 } = bindAddresses()
      connection.dial({ host: address, port: request.port }, isIpv6(address) ? ipv6 : ipv4, ttlSec)
    }
    if (literal !== undefined) {
      begin([literal], DNS_TTL_LONG_SEC)
      return connection
    }
    this.#lookUp(request.host, (result) => {
      if (stream.state === 'closed') return
      if (result.kind === 'addresses') begin(result.addresses, clipTtl(result.ttlSec))
      else begin([], 0)
    })
    return connection
  }

  /** tor-spec §5.4: nobody is served as a proxy of one hop. */
  #refusesOrigin(host: StreamHost): EndReason | undefined {
    const { peer } = host
    if (!peer.authenticated || peer.rsaIdentity === undefined) return EndReason.TORPROTOCOL
    const { isKnownRelay } = this.#options
    return isKnownRelay === undefined || isKnownRelay(peer.rsaIdentity) ? undefined : EndReason.MISC
  }

  #refusesDestination(address: string, port: number): EndReason | undefined {
    if (!this.#options.allows(address, port)) return EndReason.EXITPOLICY
    return this.#options.isNetworkPort?.(address, port) === true ? EndReason.CONNECTREFUSED : undefined
  }

  // BEGIN_DIR

  #acceptDirectory(host: StreamHost, stream: Stream): StreamSink | undefined {
    const { acceptDirectory } = this.#options
    if (acceptDirectory === undefined) {
      this.#end(host, stream, EndReason.NOTDIRECTORY)
      return undefined
    }
    const directory = new CircuitByteStream(this.#options.runtime, host, stream)
    host.edge.accept(stream)
    acceptDirectory(directory, host.peer.authenticated)
    return directory
  }

  // RESOLVE

  #resolve(host: StreamHost, stream: Stream, name: string): void {
    const { resolver } = this.#options.runtime
    const answer = (answers: readonly ResolvedAnswer[]): void => {
      host.answer(stream, answers)
    }
    const literal = canonicalIp(name)
    if (literal !== undefined) {
      answer([{ kind: 'address', address: literal, ttlSec: DNS_TTL_LONG_SEC }])
      return
    }
    const address = addressOfArpaName(name)
    if (address !== undefined) resolver.reverse(address, (result) => answer(answersOf(result, true)))
    else if (name.endsWith('.arpa')) answer([{ kind: 'error', transient: false, ttlSec: DNS_TTL_LONG_SEC }])
    else this.#lookUp(name, (result) => answer(answersOf(result, this.#options.ipv6Exit())))
  }

  /** Addresses of a name that a client sent: the resolver gets names only, and gives addresses only. */
  #lookUp(name: string, onResult: (result: ResolveResult) => void): void {
    const { runtime } = this.#options
    if (!isHostName(name)) {
      runtime.setTimer(durationMs(0), () => onResult({ kind: 'failed', transient: false, reason: 'not a host name' }))
      return
    }
    runtime.resolver.resolve(name, (result) => {
      if (result.kind !== 'addresses') onResult(result)
      else onResult({ ...result, addresses: result.addresses.flatMap((address) => canonicalIp(address) ?? []) })
    })
  }

  #end(host: StreamHost, stream: Stream, reason: EndReason): void {
    host.end(stream, { reason })
  }
}

/** tor-spec §6.4. An error is never told together with other answers. */
function answersOf(result: ResolveResult, ipv6: boolean): ResolvedAnswer[] {
  switch (result.kind) {
    case 'addresses': {
      const ttlSec = clipTtl(result.ttlSec)
      const usable = result.addresses.filter((address) => ipv6 || !isIpv6(address)).slice(0, DNS_ANSWERS_MAX)
      if (usable.length === 0) return [{ kind: 'error', transient: false, ttlSec }]
      return usable.map((address) => ({ kind: 'address', address, ttlSec }))
    }
    case 'names': {
      const ttlSec = clipTtl(result.ttlSec)
      const usable = result.names.filter((name) => name.length > 0 && name.length <= DNS_NAME_LENGTH_MAX).slice(0, 1)
      if (usable.length === 0) return [{ kind: 'error', transient: false, ttlSec }]
      return usable.map((name) => ({ kind: 'hostname', name, ttlSec }))
    }
    case 'failed':
      return [{ kind: 'error', transient: result.transient, ttlSec: DNS_TTL_LONG_SEC }]
  }
}

/** Letters, digits, hyphens and underscores with dots between, as C tor's string_is_valid_nonrfc_hostname has it. */
const isHostName = (name: string): boolean => name.length <= DNS_NAME_LENGTH_MAX && /^[a-z0-9_]([a-z0-9_-]*)(\.[a-z0-9_-]+)*\.?$/i.test(name)
