/** What a relay says of itself: its server descriptor and extra-info document, from its options and keys (dir-spec §2.1). */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { hours, later, seconds, wallFromSec, wallToSec, type DurationMs, type WallMs } from '../core/base/time.ts'
import { versionText } from '../core/base/version.ts'
import type { RelayKeys } from '../core/cert/relay-keys.ts'
import { isIpv6 } from '../core/ident/address.ts'
import { formatEd25519Identity } from '../core/ident/fingerprint.ts'
import { configuredExitPolicy } from '../core/netdoc/configured-exit-policy.ts'
import { ExitPolicy } from '../core/netdoc/exit-policy.ts'
import { signExtraInfo, type ExtraInfo } from '../core/netdoc/extra-info.ts'
import { signServerDescriptor, statedByDescriptor, type DescriptorKeys } from '../core/netdoc/server-descriptor-emit.ts'
import type { ServerDescriptor, ServerDescriptorContent } from '../core/netdoc/server-descriptor.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { PortSpec } from '../core/torrc/port-spec.ts'
import type { SocketAddress } from '../runtime/index.ts'
import { DESCRIPTOR_FUTURE_SKEW } from './authority-limits.ts'
import { isCosmeticChange } from './authority-rules.ts'
import { supportedProtocols } from './supported-protocols.ts'

/** C tor's default of the consensus parameter `onion-key-rotation-days`. */
const onionKeyLifetime = hours(28 * 24)

/** Ports as they were bound: `auto` has become a number. */
export interface BoundPorts {
  portOf(spec: PortSpec): number
}

export interface OwnAddresses {
  /** The OR address of the descriptor's `router` line. */
  readonly orAddress: SocketAddress
  readonly orAddress6: SocketAddress | undefined
  /** 0 for none. */
  readonly dirPort: number
}

/** The addresses to advertise. Throws `config` when there is no IPv4 address to state. */
export function ownAddresses(options: TorOptions, bound: BoundPorts): OwnAddresses {
  const advertised = options.ORPort.filter((spec) => !spec.noAdvertise && spec.host !== undefined)
  const family = (six: boolean): SocketAddress | undefined => {
    const spec = advertised.find((one) => isIpv6(one.host ?? '') === six)
    if (spec?.host === undefined) return undefined
    const stated = options.Address.find((address) => isIpv6(address) === six)
    const isWildcard = spec.host === '0.0.0.0' || spec.host === '::'
    const host = stated ?? (isWildcard ? undefined : spec.host)
    return host === undefined ? undefined : { host, port: bound.portOf(spec) }
  }
  const orAddress = family(false)
  if (orAddress === undefined) {
    throw new RelishError('config', 'a relay states an IPv4 address in its descriptor, and there is none', { hint: 'set Address, or an ORPort with an IPv4 address' })
  }
  const dirSpec = options.DirPort.find((spec) => !spec.noAdvertise && !isIpv6(spec.host ?? ''))
  return { orAddress, orAddress6: family(true), dirPort: dirSpec === undefined ? 0 : bound.portOf(dirSpec) }
}

/** The exit policy in force. Throws `config`. */
export function ownExitPolicy(options: TorOptions, addresses: OwnAddresses): ExitPolicy {
  const exits = options.ExitRelay === true || (options.ExitRelay === 'auto' && (options.ExitPolicy.length > 0 || options.ReducedExitPolicy || options.IPv6Exit))
  if (!exits || options.BridgeRelay) return ExitPolicy.rejectAll
  const own = [addresses.orAddress, ...(addresses.orAddress6 === undefined ? [] : [addresses.orAddress6])].map((one) => one.host)
  const bound = options.ORPort.flatMap((spec) => (spec.host === undefined || spec.host === '0.0.0.0' || spec.host === '::' ? [] : [spec.host]))
  return configuredExitPolicy({
    lines: options.ExitPolicy,
    ipv6Exit: options.IPv6Exit,
    rejectPrivate: options.ExitPolicyRejectPrivate,
    ownAddresses: [...new Set([...own, ...bound])],
    last: options.ReducedExitPolicy ? 'reduced' : 'default',
  })
}

/** Whether authorities with our clock refuse a descriptor of this time: it was made before our clock was set back. */
export const isTooFarAhead = (published: WallMs, now: WallMs): boolean => published > later(now, DESCRIPTOR_FUTURE_SKEW)

/**
 * The time of a descriptor that takes the place of one from `previous`. Of two that they take, authorities keep the one
 * with the later time, so that it has to be later, if only by a second.
 */
export function publicationTime(previous: WallMs | undefined, now: WallMs): WallMs {
  const present = wallFromSec(wallToSec(now))
  return previous === undefined || previous < present || isTooFarAhead(previous, now) ? present : later(previous, seconds(1))
}

export interface OwnDocumentsInput {
  readonly options: TorOptions
  readonly keys: RelayKeys
  readonly addresses: OwnAddresses
  readonly exitPolicy: ExitPolicy
  readonly published: WallMs
  readonly uptime: DurationMs
  /** Bytes a second, the best seen so far. */
  readonly observedBandwidth: number
  /** Lines of the extra-info document, in order. */
  readonly statistics: ExtraInfo['statistics']
  readonly hibernating: boolean
  /** Serves directory documents over its OR port. */
  readonly isDirectory: boolean
}

export interface OwnDocuments {
  readonly descriptor: ServerDescriptor
  readonly extraInfo: ExtraInfo
}

/** The families this relay says it belongs to: those of FamilyId whose keys are there (prop321). */
function familyKeysOf(wanted: TorOptions['FamilyId'], keys: RelayKeys): RelayKeys['familyKeys'] {
  return wanted === '*' ? keys.familyKeys : keys.familyKeys.filter((key) => wanted.includes(formatEd25519Identity(key.publicKey)))
}

export function makeOwnDocuments(input: OwnDocumentsInput): OwnDocuments {
  const signing = ownDescriptorKeys(input)
  const content = ownContent(input)
  const extraInfo = signExtraInfo({ nickname: content.nickname, published: content.published, statistics: input.statistics }, signing)
  return { descriptor: signServerDescriptor({ ...content, extraInfoDigest: { sha1: extraInfo.digest, sha256: extraInfo.digestSha256 } }, signing), extraInfo }
}

/** Whether a descriptor from before says what a new one would. */
export const stillSays = (before: ServerDescriptor, input: OwnDocumentsInput): boolean => isCosmeticChange(before, statedByDescriptor(ownContent(input), ownDescriptorKeys(input)))

const ownDescriptorKeys = ({ options, keys }: OwnDocumentsInput): DescriptorKeys => ({
  rsaIdentity: keys.rsaIdentity,
  ed25519Identity: keys.ed25519Identity,
  ed25519Signing: keys.signingKey,
  ed25519SigningCertificate: keys.signingCert.encoded,
  onionKey: keys.tapOnionKey,
  ntorOnionKey: keys.ntorOnionKey,
  onionKeyLifetime,
  familyKeys: familyKeysOf(options.FamilyId, keys),
})

function ownContent(input: OwnDocumentsInput): Omit<ServerDescriptorContent, 'extraInfoDigest'> {
  const { options, keys, addresses, exitPolicy } = input
  const ipv6Policy = exitPolicy.summary(6)
  return {
    nickname: options.Nickname ?? 'Unnamed',
    address: addresses.orAddress.host,
    orPort: addresses.orAddress.port,
    dirPort: addresses.dirPort,
    orAddresses: addresses.orAddress6 === undefined ? [] : [addresses.orAddress6],
    platform: `Tor ${versionText} on Node.js`,
    protocols: supportedProtocols,
    published: input.published,
    uptimeSec: Math.floor(input.uptime / 1000),
    bandwidth: ownBandwidth(options, input.observedBandwidth),
    cachesExtraInfo: options.DownloadExtraInfo,
    hibernating: input.hibernating,
    // Whoever serves directory documents keeps those of onion services, too.
    hiddenServiceDir: input.isDirectory,
    family: ownFamily(options, keys),
    ...(options.ContactInfo === undefined ? {} : { contact: options.ContactInfo }),
    ...(options.BridgeRelay && options.BridgeDistribution !== undefined ? { bridgeDistributionRequest: options.BridgeDistribution } : {}),
    exitPolicy,
    ...(ipv6Policy.rejectsAll ? {} : { ipv6Policy }),
    tunnelledDirServer: input.isDirectory,
  }
}

function ownBandwidth(options: TorOptions, observed: number): { rate: number; burst: number; observed: number } {
  return {
    rate: leastSet(relayRate(options), options.MaxAdvertisedBandwidth),
    burst: leastSet(options.BandwidthBurst, options.RelayBandwidthBurst),
    observed: Math.min(observed, options.MaxAdvertisedBandwidth),
  }
}

/** Bytes a second that a relay with these options uses for others at most. */
export const relayRate = (options: TorOptions): number => leastSet(options.BandwidthRate, options.RelayBandwidthRate)

/** Zero stands for no limit of its own. */
const leastSet = (...values: number[]): number => Math.min(...values.filter((value) => value > 0))

/** The members that the torrc names, without this relay, as C tor normalises them. */
function ownFamily(options: TorOptions, keys: RelayKeys): string[] {
  const self = hexEncodeUpper(keys.rsaFingerprint)
  const members = options.MyFamily.map((name) => {
    if (name.kind === 'nickname') return name.nickname
    const fingerprint = hexEncodeUpper(name.identity)
    return fingerprint === self ? '' : `$${fingerprint}`
  })
  return [...new Set(members.filter((member) => member !== ''))].sort()
}
