/**
 * From what an application asks for to a stream: addresses are rewritten (MapAddress), and what must not or cannot be
 * done is refused at once, with C tor's reasons (its `connection_ap_handshake_rewrite_and_attach`).
 *
 * Pure: the caller logs what `refused` says.
 */

import { EndReason } from '../core/cell/commands.ts'
import { canonicalIp, isIpv6, isPrivateIp } from '../core/ident/address.ts'
import type { NetDir } from '../core/netdir/net-dir.ts'
import type { IsolationFields } from '../core/path/isolation.ts'
import { streamIsolation } from '../core/path/isolation.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { StreamFlags } from '../core/torrc/port-spec.ts'
import type { LogLevel } from '../runtime/index.ts'
import type { ApplicationRequest } from './application-stream.ts'
import { addressMapRoundsMax } from './client-limits.ts'
import { LocalReason } from './end-reasons.ts'

/** A request as its protocol gave it. */
export interface RawRequest {
  readonly kind: ApplicationRequest['kind']
  readonly host: string
  readonly port: number
  readonly clientAddress: string
  /** Empty when none were given. */
  readonly credentials: string
  readonly protocol: 'socks4' | 'socks5' | 'http-connect'
}

export type PreparedRequest =
  | { readonly kind: 'stream'; readonly request: ApplicationRequest }
  /** A lookup of what is an address already. */
  | { readonly kind: 'answer'; readonly address: string }
  | { readonly kind: 'refused'; readonly reason: number; readonly level: LogLevel; readonly words: string }

export interface RequestWorld {
  readonly options: Pick<
    TorOptions,
    'MapAddress' | 'ClientRejectInternalAddresses' | 'WarnPlaintextPorts' | 'RejectPlaintextPorts' | 'LongLivedPorts' | 'AllowNonRFC953Hostnames' | 'DirAuthority'
  >
  readonly flags: StreamFlags
  /** Tells listeners apart that have no SessionGroup. */
  readonly listener: string
  readonly nymEpoch: number
  readonly netDir: NetDir | undefined
}

export function prepareRequest(raw: RawRequest, world: RequestWorld): PreparedRequest {
  const { options, flags } = world
  const mapped = mapAddress(raw.host.toLowerCase(), options.MapAddress)
  const exit = mapped === raw.host.toLowerCase() ? undefined : exitNotation(mapped)
  const host = exit?.host ?? mapped
  const refused = (reason: number, words: string, level: LogLevel = 'warn'): PreparedRequest => ({ kind: 'refused', reason, level, words })

  if (/\.exit\.?$/.test(host)) return refused(EndReason.TORPROTOCOL, 'Refusing a .exit address that an application gave. It is a way for strangers to choose its exit.')
  if (/\.onion\.?$/.test(host)) return refused(EndReason.TORPROTOCOL, 'Refusing a .onion address: this client does not reach onion services yet.')
  const address = canonicalIp(host)
  if (address === undefined && !options.AllowNonRFC953Hostnames && !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/.test(host)) {
    return refused(EndReason.TORPROTOCOL, 'Destination seems to be an invalid hostname. Failing.')
  }
  const family = checkFamily(raw, address, flags)
  if (family !== undefined) return refused(LocalReason.ENTRYPOLICY, family)
  if (raw.kind === 'resolve' && address !== undefined) return { kind: 'answer', address }
  if (raw.kind === 'resolve-ptr' && address === undefined) return refused(EndReason.TORPROTOCOL, 'A reverse lookup needs an address.', 'info')
  let exitFingerprint: string | undefined
  if (exit !== undefined) {
    const name = exit.relay.replace(/^\$/, '').toUpperCase()
    exitFingerprint = (world.netDir?.byFingerprint(name) ?? world.netDir?.byNickname(exit.relay))?.fingerprint
    if (exitFingerprint === undefined) return refused(EndReason.TORPROTOCOL, `Unrecognized relay in exit address '${exit.relay}'. Refusing.`)
  }
  if (raw.kind === 'connect') {
    const words = checkConnect(raw.port, host, address, exitFingerprint, world)
    if (words !== undefined) return refused(words.reason, words.words)
  }

  const isolated: IsolationFields = {
    clientAddress: raw.clientAddress,
    credentials: raw.credentials,
    protocol: raw.protocol,
    destinationPort: String(raw.port),
    // What the application asked for, before any rewriting.
    destinationAddress: raw.host.toLowerCase(),
    sessionGroup: flags.isolation.sessionGroup === undefined ? world.listener : `group ${flags.isolation.sessionGroup}`,
    nymEpoch: String(world.nymEpoch),
  }
  return {
    kind: 'stream',
    request: {
      kind: raw.kind,
      host: address ?? host,
      port: raw.port,
      isolation: streamIsolation(isolated, flags.isolation),
      stable: raw.kind === 'connect' && options.LongLivedPorts.includes(raw.port),
      ipv4Traffic: flags.ipv4Traffic && (address === undefined || !isIpv6(address)),
      // SOCKS 4 has no way to say an IPv6 address.
      ipv6Traffic: flags.ipv6Traffic && raw.protocol !== 'socks4' && (address === undefined || isIpv6(address)),
      preferIpv6: flags.preferIpv6,
      keepAlive: flags.isolation.keepAliveSocksAuth && flags.isolation.socksAuth && raw.credentials !== '',
      exitFingerprint,
    },
  }
}

/** Why the listener does not take the request, if it does not. */
function checkFamily(raw: RawRequest, address: string | undefined, flags: StreamFlags): string | undefined {
  if (!flags.dnsRequest && !flags.ipv4Traffic && !flags.ipv6Traffic) return 'Refusing a request that is not for an onion service: its port has OnionTrafficOnly set.'
  if (address === undefined) return flags.dnsRequest ? undefined : 'Refusing a host name: its port has NoDNSRequest set.'
  if (raw.kind === 'resolve-ptr') return undefined
  if (isIpv6(address)) {
    if (!flags.ipv6Traffic) return 'Refusing an IPv6 address: its port has NoIPv6Traffic set.'
    return raw.protocol === 'socks4' ? 'Rejecting SOCKS4 request for an IPv6 address.' : undefined
  }
  return flags.ipv4Traffic ? undefined : 'Refusing an IPv4 address: its port has NoIPv4Traffic set.'
}

function checkConnect(port: number, host: string, address: string | undefined, exitFingerprint: string | undefined, world: RequestWorld): { reason: number; words: string } | undefined {
  const { options, netDir } = world
  if (port === 0) return { reason: EndReason.TORPROTOCOL, words: 'Application asked to connect to port 0. Refusing.' }
  if (options.ClientRejectInternalAddresses && exitFingerprint === undefined && (isLocalName(host) || (address !== undefined && isPrivateIp(address)))) {
    return { reason: LocalReason.PRIVATE_ADDR, words: 'Rejecting SOCKS request for anonymous connection to private address [scrubbed].' }
  }
  // tor-spec §6.2 (param-spec §1, allow-network-reentry): exits refuse it anyway.
  if (address !== undefined && netDir !== undefined && netDir.parameters.get('allow-network-reentry') === 0 && isOfTheNetwork(address, port, netDir, options)) {
    return { reason: EndReason.TORPROTOCOL, words: `Not attempting connection to [scrubbed]:${port} because the network would reject it. Are you trying to send Tor traffic over Tor?` }
  }
  if (options.RejectPlaintextPorts.includes(port)) {
    return { reason: LocalReason.ENTRYPOLICY, words: `Application request to port ${port}: this port is commonly used for unencrypted protocols. Please make sure you don't send anything you would mind the rest of the Internet reading! Closing.` }
  }
  return undefined
}

const isLocalName = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost') || host === 'local' || host.endsWith('.local')

function isOfTheNetwork(address: string, port: number, netDir: NetDir, options: Pick<TorOptions, 'DirAuthority'>): boolean {
  if (options.DirAuthority.some(({ dirAddress, orPort }) => dirAddress.host === address && (dirAddress.port === port || orPort === port))) return true
  return netDir.isOrAddress(address, port)
}

/** tor(1), MapAddress: the longest suffix decides; mappings are followed up to a limit, so that they may not go in circles. */
function mapAddress(host: string, mappings: TorOptions['MapAddress']): string {
  let current = host
  for (let round = 0; round < addressMapRoundsMax; round++) {
    const exact = mappings.find((mapping) => mapping.from === current)
    const wild = mappings
      .filter((mapping) => mapping.from.startsWith('*.') && (current === mapping.from.slice(2) || current.endsWith(mapping.from.slice(1))))
      .sort((a, b) => b.from.length - a.from.length)[0]
    const mapping = exact ?? wild
    if (mapping === undefined) return current
    const kept = mapping.to.startsWith('*.') && mapping.from.startsWith('*.') ? current.slice(0, Math.max(0, current.length - mapping.from.length + 1)) : undefined
    const next = kept === undefined ? mapping.to : kept === '' ? mapping.to.slice(2) : `${kept}${mapping.to.slice(1)}`
    if (next === current) return current
    current = next
  }
  return current
}

/** `host.relay.exit`, which only the user's own MapAddress may give (path-spec §2.2.2). */
function exitNotation(host: string): { readonly host: string; readonly relay: string } | undefined {
  const match = /^(.+)\.([^.]+)\.exit$/.exec(host)
  return match?.[1] === undefined || match[2] === undefined ? undefined : { host: match[1], relay: match[2] }
}
