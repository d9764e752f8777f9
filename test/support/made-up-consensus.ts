/** The made-up relays of `made-up-network.ts` as documents, for code that takes documents. */

import { base64EncodeUnpadded } from '../../src/core/base/encoding.ts'
import { hours, later } from '../../src/core/base/time.ts'
import { sha256 } from '../../src/core/crypto/hashes.ts'
import type { Consensus, ConsensusUnverified } from '../../src/core/netdoc/consensus.ts'
import type { Microdescriptor } from '../../src/core/netdoc/microdescriptor.ts'
import { PortPolicy } from '../../src/core/netdoc/port-policy.ts'
import { ProtocolList } from '../../src/core/netdoc/protocol-list.ts'
import { dangerouslyAssumeVerified } from '../../src/core/netdoc/trust.ts'
import type { DescriptorLookup } from '../../src/node/network-view.ts'
import { exitFlags, goodFlags, madeUpFingerprint, madeUpIdentity, networkStart, type MadeUpRelay } from './made-up-network.ts'

const encoder = new TextEncoder()

function microdescriptor(relay: MadeUpRelay, i: number): Microdescriptor {
  const text = `made up for ${relay.nickname}`
  const digest = sha256(encoder.encode(text))
  const { exitsTo } = relay
  const exitPolicy = exitsTo === undefined ? undefined : PortPolicy.parse(exitsTo === 'all' ? 'accept 1-65535' : `accept ${exitsTo.join(',')}`)
  return {
    text, digest, digestBase64: base64EncodeUnpadded(digest),
    ntorOnionKey: new Uint8Array(32).fill(i + 1), ed25519Identity: new Uint8Array(32).fill(i + 1), orAddresses: [],
    family: relay.family ?? [], familyIds: relay.familyIds ?? [],
    ...(exitPolicy === undefined ? {} : { exitPolicy }),
  }
}

/** A microdescriptor consensus that counts as verified, and where its microdescriptors are found. */
export function madeUpConsensus(relays: readonly MadeUpRelay[], validAfter = networkStart): { consensus: Consensus; lookup: DescriptorLookup } {
  const documents = relays.map(microdescriptor)
  const content: ConsensusUnverified = {
    flavour: 'microdesc', consensusMethod: 33, validAfter, freshUntil: later(validAfter, hours(1)), validUntil: later(validAfter, hours(3)),
    votingDelay: { voteSec: 300, distSec: 300 }, knownFlags: [], params: new Map(), sources: [], bandwidthWeights: new Map(), text: '', sha1: new Uint8Array(20), sha256: new Uint8Array(32), signatures: [],
    relays: relays.map((relay, i) => ({
      nickname: relay.nickname, rsaIdentity: madeUpIdentity(relay.nickname), fingerprint: madeUpFingerprint(relay.nickname),
      microdescriptorDigest: documents[i]?.digestBase64 ?? '', published: validAfter, address: relay.addresses?.[0]?.host ?? `10.${i}.0.1`, orPort: 9001, dirPort: 0, orAddresses: [],
      flags: new Set(relay.flags ?? (relay.exitsTo === undefined ? goodFlags : exitFlags)), protocols: ProtocolList.parse('Link=4-5 Relay=2-4'),
      bandwidth: relay.bandwidth ?? 1000, unmeasured: false,
    })),
  }
  const byDigest = new Map(documents.filter((_, i) => relays[i]?.noDescriptor !== true).map((document) => [document.digestBase64, document]))
  // Nobody signed it: it is made up.
  return { consensus: dangerouslyAssumeVerified(content), lookup: { microdescriptor: (digest) => byDigest.get(digest), serverDescriptor: () => undefined } }
}
