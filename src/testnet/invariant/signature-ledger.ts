/**
 * `one-consensus`: reads along what authorities post to each other. For one authority, one period and one flavour there is
 * one digest that it has ever signed, in all its lives.
 */

import { hexEncodeUpper, latin1Decode } from '../../core/base/encoding.ts'
import { formatIsoTime } from '../../core/base/time.ts'
import type { HttpRequest } from '../../core/dirhttp/message.ts'
import { parseDetachedSignatures } from '../../core/netdoc/detached-signatures.ts'
import type { Report } from './violation.ts'

export class SignatureLedger {
  readonly #report: Report
  /** Digest by authority, period and flavour. */
  readonly #signed = new Map<string, string>()

  constructor(report: Report) {
    this.#report = report
  }

  /** `authority` has posted this to another one. */
  posted(authority: string, request: HttpRequest): void {
    if (request.target !== '/tor/post/consensus-signature') return
    const document = parseDetachedSignatures(latin1Decode(request.body))
    const period = formatIsoTime(document.validAfter)
    this.#note(authority, period, 'ns', document.consensusDigest)
    for (const { flavour, algorithm, digest } of document.additionalDigests) this.#note(authority, period, `${flavour} ${algorithm}`, digest)
  }

  #note(authority: string, period: string, flavour: string, digest: Uint8Array): void {
    const key = `${authority} ${period} ${flavour}`
    const hex = hexEncodeUpper(digest)
    const before = this.#signed.get(key)
    if (before !== undefined && before !== hex) {
      this.#report('one-consensus', authority, `it has signed two ${flavour} consensuses of ${period}: ${before.slice(0, 16)}… and ${hex.slice(0, 16)}…`)
    }
    this.#signed.set(key, hex)
  }
}
