/**
 * What a relay checks in EXTEND2 before it connects anywhere (tor-spec §5.1.2, §5.3). Whether an address may be private
 * is the caller's policy, handed in.
 */

import { bytesEqual } from '../../base/encoding.ts'
import { protocolError } from '../../base/errors.ts'
import { decodeExtend2 } from '../../cell/circuit-messages.ts'
import type { HandshakeType } from '../../cell/commands.ts'
import { isPrivateIp } from '../../ident/address.ts'
import { linkTargetOf, type LinkTarget } from '../../ident/link-specifier.ts'

export interface ExtendRequest {
  readonly target: LinkTarget
  readonly handshakeType: HandshakeType
  readonly handshake: Uint8Array
}

export interface Neighbour {
  readonly rsaIdentity?: Uint8Array | undefined
  readonly ed25519Identity?: Uint8Array | undefined
}

/** Throws `protocol`: the circuit is torn down. */
export function checkExtend(data: Uint8Array, self: Neighbour, previous: Neighbour, allowPrivate: boolean): ExtendRequest {
  const { linkSpecifiers, handshakeType, handshake } = decodeExtend2(data)
  const target = linkTargetOf(linkSpecifiers)
  if (target === undefined) throw protocolError('EXTEND2 without identity or address')
  // tor-spec §5.3: an identity of zeros, and extending back to the relay the request came from, fail the circuit.
  if (isZero(target.rsaIdentity)) throw protocolError('EXTEND2 to an identity of zeros')
  // Zeros stand for "no Ed25519 identity given".
  const ed25519Identity = target.ed25519Identity !== undefined && !isZero(target.ed25519Identity) ? target.ed25519Identity : undefined
  if (isSame(target.rsaIdentity, ed25519Identity, previous)) throw protocolError('EXTEND2 back to the previous hop')
  // C tor refuses to connect to itself further down; the circuit ends the same way.
  if (isSame(target.rsaIdentity, ed25519Identity, self)) throw protocolError('EXTEND2 to this relay itself')
  const addresses = target.addresses.filter(({ host, port }) => port !== 0 && (allowPrivate || !isPrivateIp(host)))
  if (addresses.length === 0) throw protocolError('EXTEND2 to addresses that are not allowed')
  const checked: LinkTarget = ed25519Identity === undefined ? { rsaIdentity: target.rsaIdentity, addresses } : { rsaIdentity: target.rsaIdentity, ed25519Identity, addresses }
  return { target: checked, handshakeType, handshake }
}

function isSame(rsaIdentity: Uint8Array, ed25519Identity: Uint8Array | undefined, other: Neighbour): boolean {
  if (other.rsaIdentity !== undefined && bytesEqual(rsaIdentity, other.rsaIdentity)) return true
  return ed25519Identity !== undefined && other.ed25519Identity !== undefined && bytesEqual(ed25519Identity, other.ed25519Identity)
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
