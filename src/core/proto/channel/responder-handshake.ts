/**
 * The side that was dialled (tor-spec §4): it answers VERSIONS with VERSIONS, CERTS, AUTH_CHALLENGE and NETINFO at once,
 * then takes either NETINFO (a client) or CERTS, AUTHENTICATE and NETINFO (a relay).
 */

import { protocolError } from '../../base/errors.ts'
import { variableCell, type Cell } from '../../cell/cell.ts'
import { ChannelCommand } from '../../cell/commands.ts'
import { decodeAuthenticate, decodeCerts, encodeAuthChallenge, encodeCerts, LinkAuthMethod } from '../../cell/link-messages.ts'
import {
  buildResponderCerts, certsChecks, type ClaimedIdentities, type LinkCredentials, type ProvenIdentities,
} from '../../cert/link-certs.ts'
import type { ChannelNow, ChannelOpen } from './channel-types.ts'
import { unexpectedCell, type Handshake, type HandshakeLink } from './handshake-link.ts'
import { checkLinkAuthentication } from './link-authentication.ts'

const CHALLENGE_BYTES = 32

type State =
  | { readonly kind: 'versions' }
  | { readonly kind: 'certs-or-netinfo'; readonly responderLog: Uint8Array }
  | { readonly kind: 'authenticate'; readonly responderLog: Uint8Array; readonly claim: ClaimedIdentities }
  | { readonly kind: 'netinfo'; readonly peer: ProvenIdentities }

export class ResponderHandshake implements Handshake {
  readonly #link: HandshakeLink
  readonly #credentials: LinkCredentials
  #state: State = { kind: 'versions' }

  constructor(link: HandshakeLink, credentials: LinkCredentials) {
    this.#link = link
    this.#credentials = credentials
  }

  get waitingFor(): string {
    return this.#state.kind
  }

  start(): void {
    // tor-spec §4.1: the initiator speaks first.
  }

  handleCell(now: ChannelNow, cell: Cell): ChannelOpen | undefined {
    const state = this.#state
    switch (state.kind) {
      case 'versions':
        if (cell.command !== ChannelCommand.VERSIONS) throw unexpectedCell(cell, 'VERSIONS')
        this.#state = { kind: 'certs-or-netinfo', responderLog: this.#answerVersions(now, cell.body) }
        return undefined
      case 'certs-or-netinfo':
        if (cell.command === ChannelCommand.NETINFO) return this.#link.openFrom(now, cell.body, undefined)
        if (cell.command !== ChannelCommand.CERTS) throw unexpectedCell(cell, 'CERTS or NETINFO')
        this.#state = { kind: 'authenticate', responderLog: state.responderLog, claim: (this.#link.options.certsChecks ?? certsChecks).initiator(decodeCerts(cell.body), now.wall) }
        return undefined
      case 'authenticate':
        // An initiator that knows none of our methods sends no AUTHENTICATE; its certificates then prove nothing.
        if (cell.command === ChannelCommand.NETINFO) return this.#link.openFrom(now, cell.body, undefined)
        if (cell.command !== ChannelCommand.AUTHENTICATE) throw unexpectedCell(cell, 'AUTHENTICATE')
        this.#checkAuthenticate(cell.body, state.responderLog, state.claim)
        this.#state = { kind: 'netinfo', peer: state.claim }
        return undefined
      case 'netinfo':
        if (cell.command !== ChannelCommand.NETINFO) throw unexpectedCell(cell, 'NETINFO')
        return this.#link.openFrom(now, cell.body, { rsaIdentity: state.peer.rsaIdentity, ed25519Identity: state.peer.ed25519Identity })
    }
  }

  /** Sends everything a responder has to say; answers the digest of it up to AUTH_CHALLENGE. */
  #answerVersions(now: ChannelNow, versionsBody: Uint8Array): Uint8Array {
    const link = this.#link
    link.chooseLinkProtocol(versionsBody)
    link.sendVersions()
    link.useLinkProtocol()
    link.send(variableCell(ChannelCommand.CERTS, encodeCerts(buildResponderCerts(this.#credentials))))
    // tor-spec §4.3: a fresh challenge each time. Its value reaches the signature through the log of what we sent.
    const challenge = link.options.rng.bytes(CHALLENGE_BYTES)
    link.send(variableCell(ChannelCommand.AUTH_CHALLENGE, encodeAuthChallenge({ challenge, methods: [LinkAuthMethod.ED25519_SHA256_RFC5705] })))
    const responderLog = link.sentLog()
    link.sendNetinfo(now)
    return responderLog
  }

  #checkAuthenticate(body: Uint8Array, responderLog: Uint8Array, claim: ClaimedIdentities): void {
    const { method, authentication } = decodeAuthenticate(body)
    if (method !== LinkAuthMethod.ED25519_SHA256_RFC5705) throw protocolError(`AUTHENTICATE of type ${LinkAuthMethod.nameOf(method)}`)
    const binding = {
      initiatorRsaSha256: claim.rsaIdentityKeySha256,
      responderRsaSha256: this.#credentials.rsaIdentityKeySha256,
      initiatorEd25519: claim.ed25519Identity,
      responderEd25519: this.#credentials.ed25519Identity,
      responderLog,
      initiatorLog: this.#link.receivedLog(),
      tlsCertificateSha256: this.#credentials.tlsCertificateSha256,
    }
    checkLinkAuthentication(authentication, binding, this.#link.options.exportKeyingMaterial, claim.authKey)
  }
}
