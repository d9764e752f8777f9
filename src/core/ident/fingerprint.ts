/**
 * How relays and authorities are named: the SHA-1 of an RSA identity key (20 bytes, forty hexadecimal digits in text)
 * and the Ed25519 identity key (32 bytes, unpadded base64 in text). tor-spec §1.1, dir-spec §2.1.1.
 */

import { base64Decode, base64EncodeUnpadded, hexDecode, hexEncodeUpper } from '../base/encoding.ts'

export const RSA_IDENTITY_BYTES = 20
export const ED25519_IDENTITY_BYTES = 32

/** Upper-case hexadecimal without spaces: `F35FAD81…`. */
export const formatFingerprint = (identity: Uint8Array): string => hexEncodeUpper(identity)

/** Groups of four digits, the form of the `fingerprint` line (dir-spec §2.1.1): `F35F AD81 …`. */
export function formatSpacedFingerprint(identity: Uint8Array): string {
  return (hexEncodeUpper(identity).match(/.{4}/g) ?? []).join(' ')
}

/** Accepts forty hexadecimal digits in either case, with an optional `$` and with single spaces between groups. Undefined otherwise. */
export function parseFingerprint(text: string): Uint8Array | undefined {
  const digits = text.replace(/^\$/, '').replace(/ /g, '')
  return /^[0-9a-fA-F]{40}$/.test(digits) ? hexDecode(digits) : undefined
}

/** Unpadded base64 of an Ed25519 identity: 43 characters. */
export const formatEd25519Identity = (identity: Uint8Array): string => base64EncodeUnpadded(identity)

/** 43 characters of base64, or 44 with padding. Undefined otherwise. */
export function parseEd25519Identity(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]{43}=?$/.test(text)) return undefined
  return base64Decode(text)
}

/** A relay's nickname: 1 to 19 letters and digits (dir-spec §2.1.1). */
export const isNickname = (text: string): boolean => /^[A-Za-z0-9]{1,19}$/.test(text)

/**
 * A relay named in a configuration or family line: `$FINGERPRINT`, with `=nickname` or `~nickname` after it, or a
 * nickname alone (dir-spec §2.1.1, `family`).
 */
export type RelayName =
  | { readonly kind: 'fingerprint'; readonly identity: Uint8Array; readonly nickname: string | undefined }
  | { readonly kind: 'nickname'; readonly nickname: string }

/** Undefined when `text` names no relay. The `$` is optional before a full fingerprint. */
export function parseRelayName(text: string): RelayName | undefined {
  const match = /^\$?([0-9a-fA-F]{40})(?:[=~]([A-Za-z0-9]{1,19}))?$/.exec(text)
  if (match !== null) {
    return { kind: 'fingerprint', identity: hexDecode(match[1] as string), nickname: match[2] }
  }
  return isNickname(text) ? { kind: 'nickname', nickname: text } : undefined
}
