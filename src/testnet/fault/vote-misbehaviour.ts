/**
 * An authority that breaks the rules of voting: the votes that its node posts to others are changed on the way out, and
 * signed again with its key where that belongs to the lie.
 */

import { concatBytes, latin1Decode, latin1Encode } from '../../core/base/encoding.ts'
import { sha1 } from '../../core/crypto/hashes.ts'
import type { RsaPrivateKey } from '../../core/crypto/rsa.ts'
import { emitRequest, type HttpRequest } from '../../core/dirhttp/message.ts'
import { RequestParser } from '../../core/dirhttp/parser.ts'
import { signedPart } from '../../core/netdoc/signed.ts'
import type { StreamTap } from '../tap/network-tap.ts'
import type { Misbehaviour } from './fault.ts'

export interface VoteOrders {
  how: Misbehaviour | undefined
}

const signatureEnding = 'directory-signature '

/** What one authority has posted, over all its connections. */
export class VoteMisbehaviour {
  readonly #orders: VoteOrders
  readonly #signingKey: () => RsaPrivateKey
  /** The last votes as the node made them, of two periods. */
  #latest: string | undefined
  #before: string | undefined

  /** `signingKey`: read when it is needed, since the node has it in a file. */
  constructor(orders: VoteOrders, signingKey: () => RsaPrivateKey) {
    this.#orders = orders
    this.#signingKey = signingKey
  }

  /** A connection to the directory port of the authority at this place among the authorities. */
  connection(peer: number): StreamTap {
    const parser = new RequestParser()
    let held: Uint8Array = new Uint8Array(0)
    return {
      fromNode: (chunk) => {
        held = concatBytes([held, chunk])
        const request = parser.feed(chunk)
        if (request === undefined) return new Uint8Array(0)
        const whole = held
        held = new Uint8Array(0)
        return request.method === 'POST' && request.target === '/tor/post/vote' ? this.#changed(request, whole, peer) : whole
      },
    }
  }

  #changed(request: HttpRequest, whole: Uint8Array, peer: number): Uint8Array {
    const vote = latin1Decode(request.body)
    if (vote !== this.#latest) {
      this.#before = this.#latest
      this.#latest = vote
    }
    const lie = this.#lie(vote, peer)
    if (lie === undefined) return whole
    return emitRequest({ ...request, headers: request.headers.filter((header) => header.name.toLowerCase() !== 'content-length'), body: latin1Encode(lie) })
  }

  #lie(vote: string, peer: number): string | undefined {
    switch (this.#orders.how) {
      case 'stale-vote':
        return this.#before
      case 'equivocating-vote':
        return peer % 2 === 0 ? undefined : this.#otherVote(vote)
      case 'wrongly-signed-vote':
        return withOtherBandwidths(vote)
      default:
        return undefined
    }
  }

  #otherVote(vote: string): string | undefined {
    const text = withOtherBandwidths(vote)
    const signed = signedPart(text, 0, signatureEnding)
    const at = text.indexOf('-----BEGIN SIGNATURE-----')
    if (signed === undefined || at < 0) return undefined
    const base64 = Buffer.from(this.#signingKey().signDigest(sha1(signed))).toString('base64')
    return `${text.slice(0, at)}-----BEGIN SIGNATURE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END SIGNATURE-----\n`
  }
}

/** Another opinion of every relay. */
const withOtherBandwidths = (vote: string): string => vote.replaceAll(/^w Bandwidth=\d+/gm, (line) => `${line}7`)
