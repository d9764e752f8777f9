/**
 * Reading documents that other nodes of the same process may have read already: `Runtime.memory` keeps what follows from
 * a text alone (its parts, and that its signatures are good). What depends on a node is decided for each node: whom it
 * trusts, and what its clock says of expiry.
 */

import { hexEncodeUpper, latin1Encode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import type { WallMs } from '../core/base/time.ts'
import { compressBody, type ContentCoding } from '../core/dirhttp/compression.ts'
import { microdescriptorsOf, type MethodMicrodescriptor } from '../core/dirvote/build-vote.ts'
import { netDirSource } from '../core/netdir/from-consensus.ts'
import type { NetDirSource } from '../core/netdir/net-dir.ts'
import { parseAuthorityCertificates, verifyAuthorityCertificate, type AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import { isGoodSignature, parseConsensus, type Consensus, type ConsensusUnverified, type SignatureTest } from '../core/netdoc/consensus.ts'
import { applyConsensusDiff, digestAsSigned, generateConsensusDiff } from '../core/netdoc/consensus-diff.ts'
import { parseExtraInfo, verifyExtraInfo, type ExtraInfo, type ExtraInfoUnverified } from '../core/netdoc/extra-info.ts'
import { parseMicrodescriptor, parseMicrodescriptorsLeniently } from '../core/netdoc/microdescriptor.ts'
import { descriptorExpiry, parseServerDescriptor, verifyServerDescriptor, type ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import { readVote, requireLiveVote, type Vote } from '../core/netdoc/vote.ts'
import type { Runtime } from '../runtime/index.ts'

type Memory = Pick<Runtime, 'memory'>

function remember<T>({ memory }: Memory, kind: string, input: string, work: (input: string) => T): T {
  return memory === undefined ? work(input) : memory.remember(kind, input, work)
}

function derive<From extends object, T>({ memory }: Memory, kind: string, from: From, work: (from: From) => T): T {
  return memory === undefined ? work(from) : memory.derive(kind, from, work)
}

/** A consensus, not yet verified. */
export const readConsensus = (runtime: Memory, text: string): ConsensusUnverified => remember(runtime, 'consensus', text, parseConsensus)

/** For `verifyConsensus`: each signature is looked at once. */
export const sharedSignatureTest =
  (runtime: Memory): SignatureTest =>
  (consensus, signature, certificate) =>
    derive(runtime, `signature with ${certificate.signingKeyFingerprint}`, signature, () => isGoodSignature(consensus, signature, certificate))

/** Certificates one behind the other. Throws when one is malformed or badly signed; expiry is for the user to look at. */
export function readCertificates(runtime: Memory, text: string): AuthorityCertificate[] {
  return remember(runtime, 'certificates', text, (all) => parseAuthorityCertificates(all).map(verifyAuthorityCertificate))
}

/** A verified vote. Throws `bad-document`, also for an expired certificate, and `bad-signature`. */
export function readLiveVote(runtime: Memory, text: string, now: WallMs): Vote {
  const vote = readAnyVote(runtime, text)
  requireLiveVote(vote, now)
  return vote
}

export const readAnyVote = (runtime: Memory, text: string): Vote => remember(runtime, 'vote', text, readVote)

/** A verified server descriptor, annotations in front of it skipped if so asked. Throws `bad-document` and `bad-signature`. */
export function readServerDescriptor(runtime: Memory, text: string, annotations: 'skip' | 'refuse', now: WallMs): ServerDescriptor {
  const { descriptor, expires } = keptDescriptor(runtime, text, annotations, () => verifyServerDescriptor(parseServerDescriptor(text, annotations), 'any-time'))
  if (expires < now) throw new RelishError('bad-document', 'certificate has expired')
  return descriptor
}

function keptDescriptor(runtime: Memory, text: string, annotations: 'skip' | 'refuse', read: () => ServerDescriptor): { descriptor: ServerDescriptor; expires: WallMs } {
  return remember(runtime, `descriptor, ${annotations} annotations`, text, () => {
    const descriptor = read()
    return { descriptor, expires: descriptorExpiry(descriptor) }
  })
}

const extraInfoKind = (annotations: 'skip' | 'refuse'): string => `extra-info, ${annotations} annotations`
const extraInfoOwner = (owner: ServerDescriptor): string => `extra-info of ${hexEncodeUpper(owner.digest)}`

export function readExtraInfo(runtime: Memory, text: string, annotations: 'skip' | 'refuse'): ExtraInfoUnverified {
  return remember(runtime, extraInfoKind(annotations), text, (one) => parseExtraInfo(one, annotations))
}

export function verifySharedExtraInfo(runtime: Memory, document: ExtraInfoUnverified, owner: ServerDescriptor): ExtraInfo {
  return derive(runtime, extraInfoOwner(owner), document, () => verifyExtraInfo(document, owner))
}

/** The well-formed ones of a text. */
export function readMicrodescriptors(runtime: Memory, text: string): ReturnType<typeof parseMicrodescriptorsLeniently>['found'] {
  return parseMicrodescriptorsLeniently(text, (one) => remember(runtime, 'microdescriptor', one, parseMicrodescriptor)).found
}

/** Names a consensus in requests for diffs: upper-case hex. */
export function digestForDiffs(runtime: Memory, consensus: string): string {
  return remember(runtime, 'digest for diffs', consensus, (text) => hexEncodeUpper(digestAsSigned(text)))
}

/** A relay's documents that this process has made, and checked: whoever reads them finds them read. */
export function rememberOwnDocuments(runtime: Memory, { descriptor, extraInfo }: { readonly descriptor: ServerDescriptor; readonly extraInfo: ExtraInfo }): void {
  keptDescriptor(runtime, descriptor.text, 'skip', () => descriptor)
  remember(runtime, extraInfoKind('skip'), extraInfo.text, () => extraInfo)
  derive(runtime, extraInfoOwner(descriptor), extraInfo, () => extraInfo)
}

// A NUL is in no document.
const twoTexts = (first: string, second: string): string => `${first}\0${second}`

/** See `generateConsensusDiff`. */
export function makeDiff(runtime: Memory, base: string, target: string): string | undefined {
  return remember(runtime, 'diff', twoTexts(base, target), () => generateConsensusDiff(base, target))
}

/** See `applyConsensusDiff`. */
export function applyDiff(runtime: Memory, base: string, diff: string): string {
  return remember(runtime, 'applied diff', twoTexts(base, diff), () => applyConsensusDiff(base, diff))
}

/** A text as it is sent. */
export function compressText(runtime: Memory, coding: ContentCoding, text: string): Uint8Array {
  return remember(runtime, `body in ${coding}`, text, () => compressBody(coding, latin1Encode(text)))
}

/** What votes say of a relay's microdescriptors. */
export function sharedMicrodescriptorsOf(runtime: Memory, descriptor: ServerDescriptor): readonly MethodMicrodescriptor[] {
  return derive(runtime, 'microdescriptors', descriptor, microdescriptorsOf)
}

export const sharedNetDirSource = (runtime: Memory, consensus: Consensus): NetDirSource => derive(runtime, 'network view', consensus, netDirSource)
