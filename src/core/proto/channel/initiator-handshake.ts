/**
 * The side that dialled (tor-spec §4): VERSIONS out and in; the responder's CERTS prove who it is; a relay then answers
 * AUTH_CHALLENGE with CERTS and AUTHENTICATE, a client does not; NETINFO both ways.
 */

import { bytesEqual, hexEncodeUpper } from '../../base/encoding.ts'
import { protocolError, RelishError } from '../../base/errors.ts'
import { variableCell, type Cell } from '../../cell/cell.ts'
import { ChannelCommand } from '../../cell/commands.ts'
import { decodeAuthChallenge, decodeCerts, encodeAuthenticate, encodeCerts, LinkAuthMethod } from '../../cell/link-messages.ts'
import { buildInitiatorCerts, certsChecks, type LinkCredentials, type ProvenIdentities } from '../../cert/link-certs.ts'
import { sha256 } from '../../crypto/hashes.ts'
import type { ChannelNow, ChannelOpen, ExpectedPeer } from './channel-types.ts'
import { unexpectedCell, type Handshake, type HandshakeLink } from './handshake-link.ts'
import { signLinkAuthentication } from './link-authentication.ts'

type State =
  | { readonly kind: 'versions' }
  | { readonly kind: 'certs' }
  | { readonly kind: 'auth-challenge'; readonly peer: ProvenIdentities }
  | { readonly kind: 'netinfo'; readonly peer: ProvenIdentities }

export interface InitiatorRole {
  readonly expected: ExpectedPeer
  readonly tlsCertificate: Uint8Array | undefined
  readonly credentials: LinkCredentials | undefined
}

export class InitiatorHandshake implements Handshake {
  readonly #link: HandshakeLink
  readonly #role: InitiatorRole
  #state: State = { kind: 'versions' }

  constructor(link: HandshakeLink, role: InitiatorRole) {
    this.#link = link
    this.#role = role
  }

  get waitingFor(): string {
    return this.#state.kind
  }

  start(): void {
    this.#link.sendVersions()
  }

  handleCell(now: ChannelNow, cell: Cell): ChannelOpen | undefined {
    const state = this.#state
    switch (state.kind) {
      case 'versions':
        if (cell.command !== ChannelCommand.VERSIONS) throw unexpectedCell(cell, 'VERSIONS')
        this.#link.chooseLinkProtocol(cell.body)
        this.#link.useLinkProtocol()
        this.#state = { kind: 'certs' }
        return undefined
      case 'certs':
        if (cell.command !== ChannelCommand.CERTS) throw unexpectedCell(cell, 'CERTS')
        this.#state = { kind: 'auth-challenge', peer: this.#checkCerts(now, cell.body) }
        // tor-spec §4: a client that does not authenticate sends NETINFO as soon as it knows the responder.
        if (this.#role.credentials === undefined) this.#link.sendNetinfo(now)
        return undefined
      case 'auth-challenge':
        if (cell.command !== ChannelCommand.AUTH_CHALLENGE) throw unexpectedCell(cell, 'AUTH_CHALLENGE')
        if (this.#role.credentials !== undefined) {
          this.#authenticate(cell.body, state.peer, this.#role.credentials)
          this.#link.sendNetinfo(now)
        }
        this.#state = { kind: 'netinfo', peer: state.peer }
        return undefined
      case 'netinfo':
        if (cell.command !== ChannelCommand.NETINFO) throw unexpectedCell(cell, 'NETINFO')
        return this.#link.openFrom(now, cell.body, { rsaIdentity: state.peer.rsaIdentity, ed25519Identity: state.peer.ed25519Identity })
    }
  }

  #checkCerts(now: ChannelNow, body: Uint8Array): ProvenIdentities {
    const { expected, tlsCertificate } = this.#role
    if (tlsCertificate === undefined) throw protocolError('the responder showed no TLS certificate')
    const peer = (this.#link.options.certsChecks ?? certsChecks).responder(decodeCerts(body), tlsCertificate, now.wall)
    // tor-spec §5.1.2: every identity that was asked for must be the one that was proven.
    requireIdentity('RSA', expected.rsaIdentity, peer.rsaIdentity)
    requireIdentity('Ed25519', expected.ed25519Identity, peer.ed25519Identity)
    return peer
  }

  #authenticate(body: Uint8Array, peer: ProvenIdentities, credentials: LinkCredentials): void {
    const { tlsCertificate } = this.#role
    const { options } = this.#link
    // Methods we do not know are no reason to close: the link then stays unauthenticated, as with C tor.
    if (tlsCertificate === undefined || !decodeAuthChallenge(body).methods.includes(LinkAuthMethod.ED25519_SHA256_RFC5705)) return
    const responderLog = this.#link.receivedLog()
    this.#link.send(variableCell(ChannelCommand.CERTS, encodeCerts(buildInitiatorCerts(credentials))))
    const binding = {
      initiatorRsaSha256: credentials.rsaIdentityKeySha256,
      responderRsaSha256: peer.rsaIdentityKeySha256,
      initiatorEd25519: credentials.ed25519Identity,
      responderEd25519: peer.ed25519Identity,
      responderLog,
      initiatorLog: this.#link.sentLog(),
      tlsCertificateSha256: sha256(tlsCertificate),
    }
    const authentication = signLinkAuthentication(binding, options.exportKeyingMaterial, credentials.authKey, options.rng)
    const method = LinkAuthMethod.ED25519_SHA256_RFC5705
    this.#link.send(variableCell(ChannelCommand.AUTHENTICATE, encodeAuthenticate({ method, authentication })))
  }
}

/** `refused`: the machine closes with reason `identity` for it. */
function requireIdentity(what: string, expected: Uint8Array | undefined, proven: Uint8Array): void {
  if (expected !== undefined && !bytesEqual(expected, proven)) {
    throw new RelishError('refused', `the peer has another ${what} identity: wanted ${hexEncodeUpper(expected)}, got ${hexEncodeUpper(proven)}`)
  }
}
