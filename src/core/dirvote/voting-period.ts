/**
 * One round of voting (dir-spec §3.4, §3.10): votes come in, a consensus is computed of them, signatures come in, and
 * when enough authorities have signed, the consensus is there. Pure: when each step is due, and how votes and signatures
 * travel, is the node's affair.
 */

import { bytesEqual, hexDecode, hexEncodeUpper, bytesCompare } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import type { WallMs } from '../base/time.ts'
import type { RsaPrivateKey } from '../crypto/rsa.ts'
import type { AuthorityCertificate } from '../netdoc/authority-certificate.ts'
import {
  assembleConsensus, consensusDigests, emitUnsignedConsensus, signConsensus, type ConsensusContent, type ConsensusFlavour,
} from '../netdoc/consensus.ts'
import { emitDetachedSignatures, type DetachedSignatures } from '../netdoc/detached-signatures.ts'
import type { DirectorySignature } from '../netdoc/network-status.ts'
import type { Vote } from '../netdoc/vote.ts'
import { computeConsensus } from './consensus.ts'
import { MAX_WAITING_SIGNATURES } from './limits.ts'

/** The signing half of an authority. */
export interface AuthoritySigner {
  /** v3 identity, upper-case hex. */
  readonly identityFingerprint: string
  readonly signingKey: RsaPrivateKey
}

/** A consensus of one flavour, with the signatures known so far. */
interface PendingConsensus {
  readonly content: ConsensusContent
  readonly unsigned: string
  readonly sha1: Uint8Array
  readonly sha256: Uint8Array
  /** By v3 identity. */
  readonly signatures: Map<string, DirectorySignature>
}

export type VoteOutcome = 'added' | 'replaced' | 'known' | 'older'

const flavours = Object.freeze(['ns', 'microdesc'] as const)

export class VotingPeriod {
  readonly validAfter: WallMs
  /** v3 identities of all authorities, upper-case hex. */
  readonly #authorities: ReadonlySet<string>
  readonly #votes = new Map<string, Vote>()
  #consensuses: Readonly<Record<ConsensusFlavour, PendingConsensus>> | undefined
  /** Signatures that came before this authority had computed its consensus. */
  #waiting: DetachedSignatures[] = []

  constructor(validAfter: WallMs, authorities: ReadonlySet<string>) {
    this.validAfter = validAfter
    this.#authorities = authorities
  }

  /** Votes a majority of all authorities needs. */
  get required(): number {
    return Math.floor(this.#authorities.size / 2) + 1
  }

  get votes(): readonly Vote[] {
    return [...this.#votes.values()]
  }

  voteOf(identityFingerprint: string): Vote | undefined {
    return this.#votes.get(identityFingerprint)
  }

  /** Identities of authorities whose vote is not here. */
  missingVotes(): string[] {
    return [...this.#authorities].filter((identity) => !this.#votes.has(identity))
  }

  /** Takes a vote for this period. A newer one of an authority replaces its older one, until the consensus is computed. */
  addVote(vote: Vote): VoteOutcome {
    const identity = vote.source.identityFingerprint
    if (!this.#authorities.has(identity)) throw new RelishError('refused', 'Vote not from a recognized v3 authority')
    if (vote.validAfter !== this.validAfter) throw new RelishError('refused', 'Bad valid-after time')
    const held = this.#votes.get(identity)
    if (held !== undefined && bytesEqual(held.digest, vote.digest)) return 'known'
    if (held !== undefined && held.published >= vote.published) return 'older'
    this.#votes.set(identity, vote)
    return held === undefined ? 'added' : 'replaced'
  }

  get isComputed(): boolean {
    return this.#consensuses !== undefined
  }

  /**
   * Computes and signs both flavours. Throws `unavailable` without votes of a majority, or when no vote has an opinion on
   * which relays run.
   */
  compute(signer: AuthoritySigner, sharedRandom: { readonly enabled: boolean; readonly fresh: boolean }): void {
    const votes = this.votes
    if (votes.length < this.required) {
      throw new RelishError('unavailable', `We don't have enough votes to generate a consensus: ${votes.length} of ${this.required}`)
    }
    // C tor: a consensus without running relays would leave clients with nothing.
    if (!votes.some((vote) => vote.knownFlags.includes('Running'))) throw new RelishError('unavailable', 'Nobody has voted on the Running flag')
    const computed = computeConsensus({
      votes,
      totalAuthorities: this.#authorities.size,
      sharedRandomEnabled: sharedRandom.enabled,
      sharedRandomIsFresh: sharedRandom.fresh,
    })
    const pending = (flavour: ConsensusFlavour): PendingConsensus => {
      const content = computed[flavour]
      const unsigned = emitUnsignedConsensus(content)
      const own = signConsensus(unsigned, flavour, signer.identityFingerprint, signer.signingKey)
      return { content, unsigned, ...consensusDigests(`${unsigned}directory-signature `), signatures: new Map([[signer.identityFingerprint, own]]) }
    }
    this.#consensuses = { ns: pending('ns'), microdesc: pending('microdesc') }
    const waiting = this.#waiting
    this.#waiting = []
    for (const signatures of waiting) {
      try {
        this.addSignatures(signatures)
      } catch {
        // Signatures of another consensus: whoever sent them has been told nothing yet and will see it in what is published.
      }
    }
  }

  /**
   * Takes what other authorities signed. Answers how many signatures were new; before the consensus is computed they are
   * put by. Throws `refused` when they are for another consensus.
   */
  addSignatures(detached: DetachedSignatures): number {
    const consensuses = this.#consensuses
    if (consensuses === undefined) {
      if (this.#waiting.length >= MAX_WAITING_SIGNATURES) throw new RelishError('limit', 'too many signatures wait for a consensus')
      this.#waiting.push(detached)
      return 0
    }
    const { content } = consensuses.ns
    if (detached.validAfter !== content.validAfter) throw new RelishError('refused', 'Valid-After times do not match when adding detached signatures to consensus')
    if (detached.freshUntil !== content.freshUntil || detached.validUntil !== content.validUntil) {
      throw new RelishError('refused', 'Fresh-until or valid-until times do not match when adding detached signatures to consensus')
    }
    let added = 0
    let mismatch: RelishError | undefined
    for (const flavour of flavours) {
      if (!digestMatches(detached, flavour, consensuses[flavour])) {
        mismatch = new RelishError('refused', `Mismatched digest of the ${flavour} consensus`)
        continue
      }
      for (const signature of detached.signatures) if (signature.flavour === flavour && this.#addSignature(consensuses[flavour], signature)) added++
    }
    if (added === 0 && mismatch !== undefined) throw mismatch
    return added
  }

  #addSignature(pending: PendingConsensus, signature: DirectorySignature): boolean {
    const { identityFingerprint } = signature
    if (!this.#authorities.has(identityFingerprint) || pending.signatures.has(identityFingerprint)) return false
    const certificate = this.#votes.get(identityFingerprint)?.certificate
    if (certificate === undefined || !signatureIsGood(pending, signature, certificate)) return false
    const { algorithm, signingKeyFingerprint, signature: bytes } = signature
    pending.signatures.set(identityFingerprint, { algorithm, identityFingerprint, signingKeyFingerprint, signature: bytes })
    return true
  }

  /** Authorities that voted and whose signature of either flavour is not here. */
  missingSignatures(): string[] {
    const consensuses = this.#consensuses
    if (consensuses === undefined) return []
    return [...this.#votes.keys()].filter((identity) => flavours.some((flavour) => !consensuses[flavour].signatures.has(identity)))
  }

  /** Signatures under the flavour that has fewer. */
  get signatureCount(): number {
    const consensuses = this.#consensuses
    return consensuses === undefined ? 0 : Math.min(...flavours.map((flavour) => consensuses[flavour].signatures.size))
  }

  /** Digests of both flavours, lower-case hex, for logs. */
  content(flavour: ConsensusFlavour): ConsensusContent | undefined {
    return this.#consensuses?.[flavour].content
  }

  /** The document with the signatures known so far; undefined before it is computed. */
  consensusText(flavour: ConsensusFlavour): string | undefined {
    const pending = this.#consensuses?.[flavour]
    return pending === undefined ? undefined : assembleConsensus(pending.unsigned, inOrder(pending.signatures))
  }

  /** All signatures known so far, for other authorities. */
  detachedSignatures(): string | undefined {
    const consensuses = this.#consensuses
    if (consensuses === undefined) return undefined
    const { ns, microdesc } = consensuses
    return emitDetachedSignatures({
      consensusDigest: ns.sha1,
      validAfter: ns.content.validAfter,
      freshUntil: ns.content.freshUntil,
      validUntil: ns.content.validUntil,
      additionalDigests: [{ flavour: 'microdesc', algorithm: 'sha256', digest: microdesc.sha256 }],
      signatures: flavours.flatMap((flavour) => inOrder(consensuses[flavour].signatures).map((signature) => ({ ...signature, flavour }))),
    })
  }

  /** The vote whose digest this is, upper-case hex. */
  voteByDigest(digest: string): Vote | undefined {
    return this.votes.find((vote) => hexEncodeUpper(vote.digest) === digest)
  }
}

/** Signatures stand in the order of the authorities' identities. */
function inOrder(signatures: ReadonlyMap<string, DirectorySignature>): DirectorySignature[] {
  return [...signatures.values()].sort((a, b) => bytesCompare(hexDecode(a.identityFingerprint), hexDecode(b.identityFingerprint)))
}

function digestMatches(detached: DetachedSignatures, flavour: ConsensusFlavour, pending: PendingConsensus): boolean {
  if (flavour === 'ns') return bytesEqual(detached.consensusDigest, pending.sha1)
  const digests = detached.additionalDigests.filter((digest) => digest.flavour === flavour)
  return digests.length > 0 && digests.every(({ algorithm, digest }) => bytesEqual(digest, algorithm === 'sha1' ? pending.sha1 : pending.sha256))
}

/** dir-spec §3.9.1: SHA-1 for the ns flavour, SHA-256 for the other. */
function signatureIsGood(pending: PendingConsensus, signature: DirectorySignature, certificate: AuthorityCertificate): boolean {
  const wanted = pending.content.flavour === 'ns' ? 'sha1' : 'sha256'
  return (
    signature.algorithm === wanted &&
    signature.signingKeyFingerprint === certificate.signingKeyFingerprint &&
    certificate.signingKey.verifyDigest(pending[wanted], signature.signature)
  )
}
