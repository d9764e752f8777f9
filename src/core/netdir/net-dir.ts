/**
 * A view of the network: one verified consensus joined with the descriptors held for it. Immutable; a new consensus or
 * more descriptors make a new view, which shares the relays that did not change.
 *
 * It answers questions about relays and chooses nothing: see core/relaysel and core/path. The ring of onion-service
 * directories (rend-spec-v3 §2.2.3) gets its own file beside this one and is computed from `relays` and `sharedRandom`.
 */

import { hexEncodeUpper, hexEncode } from '../base/encoding.ts'
import { hours, later, type WallMs } from '../base/time.ts'
import { inSameFamily, type FamilyRules } from './family.ts'
import { NetworkParameters } from './parameters.ts'
import type { Relay, RelayDescriptor, RelayStatus } from './relay.ts'
import { BandwidthWeights } from './weights.ts'

export type ConsensusFlavour = 'ns' | 'microdesc'

/** What a consensus gives a view; made from a verified document by `from-consensus.ts`. */
export interface NetDirSource {
  readonly flavour: ConsensusFlavour
  readonly validAfter: WallMs
  readonly freshUntil: WallMs
  readonly validUntil: WallMs
  readonly parameters: ReadonlyMap<string, number>
  readonly bandwidthWeights: ReadonlyMap<string, number>
  /** 32 bytes each. */
  readonly sharedRandom: { readonly current: Uint8Array | undefined; readonly previous: Uint8Array | undefined }
  readonly relays: readonly RelayStatus[]
}

/** How long before and after its validity a consensus still serves to build circuits (path-spec §2.1.0, REASONABLY_LIVE_TIME). */
const reasonablyLive = hours(24)

export class NetDir {
  readonly flavour: ConsensusFlavour
  readonly validAfter: WallMs
  readonly freshUntil: WallMs
  readonly validUntil: WallMs
  readonly parameters: NetworkParameters
  readonly weights: BandwidthWeights
  readonly sharedRandom: NetDirSource['sharedRandom']
  /** All relays of the consensus, in its order, with or without a descriptor. */
  readonly relays: readonly Relay[]
  readonly #statuses: readonly RelayStatus[]
  /** Where in `relays` a fingerprint stands: the same for all views of one consensus. */
  readonly #places: ReadonlyMap<string, number>
  // Made when first asked for.
  #byEd25519: ReadonlyMap<string, Relay> | undefined
  #orAddresses: ReadonlySet<string> | undefined

  private constructor(source: NetDirSource, relays: readonly Relay[], places: ReadonlyMap<string, number>) {
    this.flavour = source.flavour
    this.validAfter = source.validAfter
    this.freshUntil = source.freshUntil
    this.validUntil = source.validUntil
    this.parameters = new NetworkParameters(source.parameters)
    this.weights = new BandwidthWeights(source.bandwidthWeights, this.parameters)
    this.sharedRandom = source.sharedRandom
    this.relays = relays
    this.#statuses = source.relays
    this.#places = places
  }

  /** `descriptorOf` answers for each listed relay with its descriptor, if held. `previous` lends what is the same. */
  static build(source: NetDirSource, descriptorOf: (relay: RelayStatus) => RelayDescriptor | undefined, previous?: NetDir): NetDir {
    const before = previous !== undefined && previous.#statuses === source.relays ? previous : undefined
    const relays = source.relays.map((status, i): Relay => {
      const descriptor = descriptorOf(status)
      const known = before?.relays[i]
      return known !== undefined && known.descriptor === descriptor ? known : withDescriptor(status, descriptor)
    })
    const places = before === undefined ? new Map(source.relays.map((status, i) => [status.fingerprint, i])) : before.#places
    return new NetDir(source, relays, places)
  }

  /** `fingerprint`: 40 upper-case hex digits. */
  byFingerprint(fingerprint: string): Relay | undefined {
    const place = this.#places.get(fingerprint)
    return place === undefined ? undefined : this.relays[place]
  }

  byRsaIdentity(identity: Uint8Array): Relay | undefined {
    return this.byFingerprint(hexEncodeUpper(identity))
  }

  byEd25519Identity(identity: Uint8Array): Relay | undefined {
    this.#byEd25519 ??= new Map(this.relays.flatMap((relay) => (relay.descriptor?.ed25519Identity === undefined ? [] : [[hexEncode(relay.descriptor.ed25519Identity), relay]])))
    return this.#byEd25519.get(hexEncode(identity))
  }

  /** The relay of this nickname; undefined when there is none or more than one. */
  byNickname(nickname: string): Relay | undefined {
    const wanted = nickname.toLowerCase()
    const found = this.relays.filter((relay) => relay.nickname.toLowerCase() === wanted)
    return found.length === 1 ? found[0] : undefined
  }

  /** Whether some relay has this as its OR address: exits do not lead back into the network. */
  isOrAddress(host: string, port: number): boolean {
    this.#orAddresses ??= new Set(this.relays.flatMap((relay) => relay.addresses.map((address) => `${address.host} ${address.port}`)))
    return this.#orAddresses.has(`${host} ${port}`)
  }

  /** Whether the two may not stand in one path (path-spec §2.2). */
  inSameFamily(a: Relay, b: Relay, rules: FamilyRules): boolean {
    return inSameFamily(a, b, rules, this.parameters)
  }

  /** Between valid-after and valid-until (dir-spec §3.4.1). */
  isLive(now: WallMs): boolean {
    return now >= this.validAfter && now <= this.validUntil
  }

  /** Near enough to its validity to build circuits with (path-spec §2.1.0). */
  isReasonablyLive(now: WallMs): boolean {
    return now >= this.validAfter - reasonablyLive && now <= later(this.validUntil, reasonablyLive)
  }
}

/** Field by field: for thousands of relays a spread costs ten times as much. */
function withDescriptor(status: RelayStatus, descriptor: RelayDescriptor | undefined): Relay {
  const { nickname, fingerprint, rsaIdentity, addresses, subnets, dirPort, flags, bandwidthKilobytes, guardFractionPercent, protocols, descriptorDigest } = status
  return { nickname, fingerprint, rsaIdentity, addresses, subnets, dirPort, flags, bandwidthKilobytes, guardFractionPercent, protocols, descriptorDigest, descriptor }
}
