/** Signed parts of documents (dir-spec §1.3): which characters a signature covers, and RSA signatures over them. */

import { latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import type { RsaPublicKey } from '../crypto/rsa.ts'

/**
 * The bytes from `start` (an offset where the document begins) to the end of the first occurrence of `ending` after it.
 * Undefined when `ending` is missing.
 */
export function signedPart(text: string, start: number, ending: string): Uint8Array | undefined {
  const at = text.indexOf(ending, start)
  return at < 0 ? undefined : latin1Encode(text.slice(start, at + ending.length))
}

/** The same for a part that the document's table says is there. */
export function mustSignedPart(document: string, text: string, start: number, ending: string): Uint8Array {
  const part = signedPart(text, start, ending)
  if (part === undefined) throw new RelishError('bad-document', `${document} has no "${ending.trim()}"`)
  return part
}

/** Throws `bad-signature` unless `signature` is `key`'s over exactly `digest`. */
export function checkRsaSignature(what: string, key: RsaPublicKey, digest: Uint8Array, signature: Uint8Array): void {
  if (!key.verifyDigest(digest, signature)) throw new RelishError('bad-signature', `${what} does not match`)
}
