/**
 * Detached signatures (dir-spec §3.10): how authorities hand each other signatures of a consensus that each computed.
 * They are checked against that consensus, so there is no verified form of the document itself.
 */

import { hexEncodeUpper } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { formatIsoTime, type WallMs } from '../base/time.ts'
import { parseHexBytes, parseTime } from './fields.ts'
import { maxConsensusSignatures, maxDetachedSignaturesLength } from './limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter } from './metaformat.ts'
import { parseSignature, type DirectorySignature } from './network-status.ts'

export interface DetachedSignature extends DirectorySignature {
  /** `ns`, `microdesc`, or one we do not know. */
  readonly flavour: string
}

export interface DetachedSignatures {
  /** SHA-1 of the signed part of the ns consensus. */
  readonly consensusDigest: Uint8Array
  readonly validAfter: WallMs
  readonly freshUntil: WallMs
  readonly validUntil: WallMs
  /** `additional-digest`: SHA-256 of the microdesc consensus, as a rule. */
  readonly additionalDigests: readonly { readonly flavour: string; readonly algorithm: string; readonly digest: Uint8Array }[]
  /** Signatures of the ns flavour, and of the flavours named. */
  readonly signatures: readonly DetachedSignature[]
}

const table = documentTable('detached signatures', {
  'consensus-digest': { count: 'once', arguments: [1, anyNumber], position: 'first' },
  'valid-after': { count: 'once', arguments: [2, anyNumber] },
  'fresh-until': { count: 'once', arguments: [2, anyNumber] },
  'valid-until': { count: 'once', arguments: [2, anyNumber] },
  'additional-digest': { count: 'any', arguments: [3, anyNumber] },
  'additional-signature': { count: 'any', arguments: [4, anyNumber], object: 'SIGNATURE' },
  'directory-signature': { count: 'any', arguments: [2, anyNumber], object: 'SIGNATURE' },
})

export function parseDetachedSignatures(text: string): DetachedSignatures {
  if (text.length > maxDetachedSignaturesLength) throw new RelishError('limit', `detached signatures have at most ${maxDetachedSignaturesLength} characters`)
  const section = new Cursor(text).section(table, [], 'skip')
  const signatures: DetachedSignature[] = []
  for (const item of section.items) {
    if (item.keyword !== 'additional-signature' && item.keyword !== 'directory-signature') continue
    const additional = item.keyword === 'additional-signature'
    const parsed = parseSignature(item, additional ? item.args.slice(1, 4) : item.args.slice(0, 2))
    if (parsed === undefined) continue
    if (signatures.length === maxConsensusSignatures) throw item.error(`is one of more than ${maxConsensusSignatures}`)
    signatures.push({ ...parsed, flavour: additional ? item.arg(0) : 'ns' })
  }
  const consensusDigest = section.one('consensus-digest')
  return {
    consensusDigest: parseHexBytes(consensusDigest, consensusDigest.arg(0), 20),
    validAfter: parseTime(section.one('valid-after')),
    freshUntil: parseTime(section.one('fresh-until')),
    validUntil: parseTime(section.one('valid-until')),
    additionalDigests: section.all('additional-digest').flatMap((item) => {
      const algorithm = item.arg(1)
      // Digests of algorithms we do not know are left out.
      if (algorithm !== 'sha1' && algorithm !== 'sha256') return []
      return [{ flavour: item.arg(0), algorithm, digest: parseHexBytes(item, item.arg(2), algorithm === 'sha1' ? 20 : 32) }]
    }),
    signatures,
  }
}

/** Signatures of other flavours come first, as in C tor. */
export function emitDetachedSignatures(document: DetachedSignatures): string {
  const writer = new DocumentWriter(table)
  writer.item('consensus-digest', [hexEncodeUpper(document.consensusDigest)])
  writer.item('valid-after', formatIsoTime(document.validAfter))
  writer.item('fresh-until', formatIsoTime(document.freshUntil))
  writer.item('valid-until', formatIsoTime(document.validUntil))
  for (const { flavour, algorithm, digest } of document.additionalDigests) writer.item('additional-digest', [flavour, algorithm, hexEncodeUpper(digest)])
  for (const s of document.signatures) {
    if (s.flavour !== 'ns') writer.item('additional-signature', [s.flavour, s.algorithm, s.identityFingerprint, s.signingKeyFingerprint], s.signature)
  }
  for (const s of document.signatures) {
    if (s.flavour === 'ns') writer.item('directory-signature', [s.identityFingerprint, s.signingKeyFingerprint], s.signature)
  }
  return writer.finish()
}
