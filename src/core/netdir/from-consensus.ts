/** From verified documents to the plain shapes of this folder. The only file here that knows how documents are parsed. */

import { hexEncodeUpper } from '../base/encoding.ts'
import type { Consensus } from '../netdoc/consensus.ts'
import type { Microdescriptor } from '../netdoc/microdescriptor.ts'
import { ProtocolList } from '../netdoc/protocol-list.ts'
import type { RouterStatus } from '../netdoc/router-status.ts'
import type { ServerDescriptor } from '../netdoc/server-descriptor.ts'
import { fullPolicyView, summaryPolicyView } from './exit-policy-view.ts'
import { normalizeFamilyMember } from './family.ts'
import type { NetDirSource } from './net-dir.ts'
import type { RelayDescriptor, RelayStatus } from './relay.ts'
import { subnetKeys } from './subnet.ts'

/** Made once for a consensus; `NetDir.build` is then called with it each time more descriptors are held. */
export function netDirSource(consensus: Consensus): NetDirSource {
  return {
    flavour: consensus.flavour,
    validAfter: consensus.validAfter,
    freshUntil: consensus.freshUntil,
    validUntil: consensus.validUntil,
    parameters: consensus.params,
    bandwidthWeights: consensus.bandwidthWeights,
    sharedRandom: { current: consensus.sharedRandomCurrent?.value, previous: consensus.sharedRandomPrevious?.value },
    relays: consensus.relays.map(relayStatus),
  }
}

function relayStatus(status: RouterStatus): RelayStatus {
  const addresses = [{ host: status.address, port: status.orPort }, ...status.orAddresses]
  return {
    nickname: status.nickname,
    fingerprint: status.fingerprint,
    rsaIdentity: status.rsaIdentity,
    addresses,
    subnets: subnetKeys(addresses),
    dirPort: status.dirPort,
    flags: status.flags,
    bandwidthKilobytes: status.bandwidth,
    guardFractionPercent: status.guardFraction,
    protocols: status.protocols ?? ProtocolList.empty,
    descriptorDigest: status.microdescriptorDigest ?? (status.descriptorDigest === undefined ? '' : hexEncodeUpper(status.descriptorDigest)),
  }
}

/** `rejectPrivate`: the ClientRejectInternalAddresses option. Undefined without an ntor key: no circuit can use the relay. */
export function descriptorFromMicrodescriptor(document: Microdescriptor, rejectPrivate: boolean): RelayDescriptor | undefined {
  if (document.ntorOnionKey === undefined) return undefined
  return {
    ed25519Identity: document.ed25519Identity,
    ntorOnionKey: document.ntorOnionKey,
    family: document.family.map(normalizeFamilyMember),
    familyIds: document.familyIds,
    exitPolicy: summaryPolicyView(document.exitPolicy, document.ipv6ExitPolicy, rejectPrivate),
  }
}

export function descriptorFromServerDescriptor(document: ServerDescriptor, rejectPrivate: boolean): RelayDescriptor {
  return {
    ed25519Identity: document.ed25519Identity,
    ntorOnionKey: document.ntorOnionKey,
    family: document.family.map(normalizeFamilyMember),
    familyIds: document.familyIds,
    exitPolicy: fullPolicyView(document.exitPolicy, document.ipv6Policy, rejectPrivate),
  }
}
