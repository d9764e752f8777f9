/**
 * Link specifiers: how EXTEND2 and onion-service documents say where the next relay is and who it must prove to be
 * (tor-spec §5.1.2). This is the codec and the order and uniqueness rules; what to do with a target is the relay's affair.
 *
 *     NSPEC [1] then NSPEC times: LSTYPE [1] LSLEN [1] LSPEC [LSLEN]
 */

import { RelishError, protocolError } from '../base/errors.ts'
import { wireCodes, type WireCode } from '../base/wire-code.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import { formatIp, parseIp, type AddressPort } from './address.ts'
import { ED25519_IDENTITY_BYTES, RSA_IDENTITY_BYTES } from './fingerprint.ts'

export type LinkSpecifierType = WireCode<'LinkSpecifierType'>
export const LinkSpecifierType = wireCodes('LinkSpecifierType')({
  TLS_IPV4: 0,
  TLS_IPV6: 1,
  LEGACY_IDENTITY: 2,
  ED25519_IDENTITY: 3,
})

export type LinkSpecifier =
  | { readonly kind: 'address'; readonly address: AddressPort }
  /** SHA-1 of the RSA identity key, 20 bytes. */
  | { readonly kind: 'legacy-identity'; readonly identity: Uint8Array }
  /** 32 bytes. */
  | { readonly kind: 'ed25519-identity'; readonly identity: Uint8Array }
  /** Kept so that a list can be passed on as it came. */
  | { readonly kind: 'unknown'; readonly type: LinkSpecifierType; readonly body: Uint8Array }

/** Reads NSPEC and the specifiers behind it. Throws `protocol` for a wrong length of a known type or a repeated identity. */
export function readLinkSpecifiers(reader: Reader): LinkSpecifier[] {
  const count = reader.u8('number of link specifiers')
  const specifiers: LinkSpecifier[] = []
  const identities = new Set<string>()
  for (let i = 0; i < count; i++) {
    const type = reader.u8('link specifier type')
    const length = reader.u8('link specifier length')
    const specifier = reader.nested(length, 'link specifier', (inside) => readBody(type, inside))
    if (specifier.kind === 'legacy-identity' || specifier.kind === 'ed25519-identity') {
      // tor-spec §5.1.2: lists with several instances of an identity SHOULD be rejected.
      if (identities.has(specifier.kind)) throw protocolError(`two link specifiers of kind ${specifier.kind}`)
      identities.add(specifier.kind)
    }
    specifiers.push(specifier)
  }
  return specifiers
}

function readBody(type: LinkSpecifierType, body: Reader): LinkSpecifier {
  switch (type) {
    case LinkSpecifierType.TLS_IPV4:
      return { kind: 'address', address: { host: formatIp(body.view(4, 'IPv4 address')), port: body.u16('port') } }
    case LinkSpecifierType.TLS_IPV6:
      return { kind: 'address', address: { host: formatIp(body.view(16, 'IPv6 address')), port: body.u16('port') } }
    case LinkSpecifierType.LEGACY_IDENTITY:
      return { kind: 'legacy-identity', identity: body.take(RSA_IDENTITY_BYTES, 'legacy identity') }
    case LinkSpecifierType.ED25519_IDENTITY:
      return { kind: 'ed25519-identity', identity: body.take(ED25519_IDENTITY_BYTES, 'Ed25519 identity') }
    default:
      // tor-spec §5.1.2: nodes MUST ignore unrecognized specifiers.
      return { kind: 'unknown', type, body: body.rest().slice() }
  }
}

/** Writes NSPEC and the specifiers in the order given; see `linkSpecifiersOf` for the order that hides implementations. */
export function writeLinkSpecifiers(writer: Writer, specifiers: readonly LinkSpecifier[]): void {
  writer.u8(specifiers.length)
  for (const specifier of specifiers) {
    switch (specifier.kind) {
      case 'address': {
        const bytes = parseIp(specifier.address.host)
        if (bytes === undefined) throw new RelishError('bug', `not an IP address: ${specifier.address.host}`)
        writer.u8(bytes.length === 4 ? LinkSpecifierType.TLS_IPV4 : LinkSpecifierType.TLS_IPV6)
        writer.sized(1, (inside) => inside.bytes(bytes).u16(specifier.address.port))
        break
      }
      case 'legacy-identity':
        writer.u8(LinkSpecifierType.LEGACY_IDENTITY).sized(1, (inside) => inside.bytes(specifier.identity))
        break
      case 'ed25519-identity':
        writer.u8(LinkSpecifierType.ED25519_IDENTITY).sized(1, (inside) => inside.bytes(specifier.identity))
        break
      case 'unknown':
        writer.u8(specifier.type).sized(1, (inside) => inside.bytes(specifier.body))
        break
    }
  }
}

/** Where a relay is and who it is, as a list of link specifiers says it. */
export interface LinkTarget {
  readonly rsaIdentity: Uint8Array
  readonly ed25519Identity?: Uint8Array
  readonly addresses: readonly AddressPort[]
}

/**
 * The specifiers of one relay in the order all implementations SHOULD use: IPv4, legacy identity, Ed25519 identity,
 * IPv6 (tor-spec §5.1.2). Only the first address of each family is sent, since relays consider no other.
 */
export function linkSpecifiersOf(target: LinkTarget): LinkSpecifier[] {
  const ipv4 = target.addresses.find((address) => !address.host.includes(':'))
  const ipv6 = target.addresses.find((address) => address.host.includes(':'))
  const specifiers: LinkSpecifier[] = []
  if (ipv4 !== undefined) specifiers.push({ kind: 'address', address: ipv4 })
  specifiers.push({ kind: 'legacy-identity', identity: target.rsaIdentity })
  if (target.ed25519Identity !== undefined) specifiers.push({ kind: 'ed25519-identity', identity: target.ed25519Identity })
  if (ipv6 !== undefined) specifiers.push({ kind: 'address', address: ipv6 })
  return specifiers
}

/** The relay a list names; undefined when the legacy identity or every address is missing. */
export function linkTargetOf(specifiers: readonly LinkSpecifier[]): LinkTarget | undefined {
  let rsaIdentity: Uint8Array | undefined
  let ed25519Identity: Uint8Array | undefined
  const addresses: AddressPort[] = []
  for (const specifier of specifiers) {
    if (specifier.kind === 'legacy-identity') rsaIdentity = specifier.identity
    else if (specifier.kind === 'ed25519-identity') ed25519Identity = specifier.identity
    else if (specifier.kind === 'address') addresses.push(specifier.address)
  }
  if (rsaIdentity === undefined || addresses.length === 0) return undefined
  return ed25519Identity === undefined ? { rsaIdentity, addresses } : { rsaIdentity, ed25519Identity, addresses }
}
