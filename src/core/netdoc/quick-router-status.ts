/**
 * Reads the entries of a consensus (dir-spec §3.4.1, §3.9.2) that look as authorities write them, straight from the bytes, and nothing
 * else. It exists because a node that starts reads thousands of them with code that V8 has not optimized yet, and an object for each
 * line and argument is most of what that costs.
 *
 * It knows no errors and decides nothing of its own: at whatever is not exactly as expected it gives up, and the careful reader
 * (router-status.ts) reads that entry and says what is wrong. What many relays share (flags, version and protocols, policies) it never
 * reads at all: it learns it from entries that the careful reader has read, and looks it up by its text. So an entry read here is
 * what the careful reader would have made of it; test/core/netdoc/quick-router-status.test.ts holds the two against each other.
 * Figures are in docs/PERFORMANCE.md, "Reading a consensus".
 *
 * Not for votes, whose entries have more lines and which only authorities read.
 */

import { parseIsoTime, type WallMs } from '../base/time.ts'
import { decodeBase64At, isBase64At } from './base64.ts'
import { FingerprintWriter } from './fields.ts'
import type { Cursor } from './metaformat.ts'
import type { PortPolicy } from './port-policy.ts'
import type { ProtocolList } from './protocol-list.ts'
import type { RouterStatus } from './router-status.ts'
import type { OrAddress } from './server-descriptor.ts'

interface Software {
  readonly version: string
  readonly protocols: ProtocolList
}

const LINE_END = 10
const BLANK = 32
const DOT = 46
const COLON = 58
const BRACKET = 91
const BRACKET_END = 93
const A = 97
const M = 109
const P = 112
const R = 114
const S = 115
const V = 118
const FOOTER = 'directory-footer\n'

/** Lives as long as the parse of one document. */
export class QuickRouterStatusReader {
  readonly #text: string
  /** The same, a byte a character. */
  readonly #bytes: Uint8Array
  readonly #flavour: 'ns' | 'microdesc'
  /** By the text of their lines, behind the keyword; `software` has `v` and `pr` together. */
  readonly #flags = new Map<string, ReadonlySet<string>>()
  readonly #software = new Map<string, Software>()
  readonly #policies = new Map<string, PortPolicy>()
  /** Texts of the entry at hand that were met for the first time. */
  #newFlags = ''
  #newSoftware = ''
  #newPolicy = ''
  #publishedText = ''
  #published: WallMs | undefined
  readonly #fingerprints = new FingerprintWriter()
  /** Behind what `#numberAt` or `#orAddressAt` read. */
  #at = 0

  /** `bytes` is the text in latin1. */
  constructor(text: string, bytes: Uint8Array, flavour: 'ns' | 'microdesc') {
    this.#text = text
    // Where the text is no latin1 after all, nothing is as expected.
    this.#bytes = /[\u0100-\uffff]/.test(text) ? new Uint8Array(0) : bytes
    this.#flavour = flavour
  }

  /** The entry at the cursor, which stands at an `r` line; or undefined, and the cursor has not moved. */
  read(cursor: Cursor): RouterStatus | undefined {
    this.#newFlags = this.#newSoftware = this.#newPolicy = ''
    const text = this.#text
    const bytes = this.#bytes
    const microdesc = this.#flavour === 'microdesc'

    // r nickname identity [digest] date time address orport dirport
    let at = cursor.at + 2
    if (bytes[at - 2] !== R || bytes[at - 1] !== BLANK) return undefined
    const nicknameEnd = wordEnd(bytes, at)
    if (nicknameEnd === at || nicknameEnd - at > 19 || bytes[nicknameEnd] !== BLANK) return undefined
    const nickname = text.slice(at, nicknameEnd)
    at = nicknameEnd + 1
    const rsaIdentity = decodeBase64At(bytes, at, 20)
    if (rsaIdentity === undefined || bytes[at + 27] !== BLANK) return undefined
    at += 28
    let descriptorDigest: Uint8Array | undefined
    if (!microdesc) {
      descriptorDigest = decodeBase64At(bytes, at, 20)
      if (descriptorDigest === undefined || bytes[at + 27] !== BLANK) return undefined
      at += 28
    }
    const published = this.#timeAt(at)
    if (published === undefined || bytes[at + 19] !== BLANK) return undefined
    at += 20
    const addressEnd = ipv4End(bytes, at)
    if (addressEnd < 0 || bytes[addressEnd] !== BLANK) return undefined
    const address = text.slice(at, addressEnd)
    const orPort = this.#numberAt(addressEnd + 1, 65535)
    if (orPort < 0 || bytes[this.#at] !== BLANK) return undefined
    const dirPort = this.#numberAt(this.#at + 1, 65535)
    if (dirPort < 0 || bytes[this.#at] !== LINE_END) return undefined
    at = this.#at + 1
    let lines = 6

    let orAddresses = noAddresses
    if (bytes[at] === A) {
      const found: OrAddress[] = []
      do {
        const one = this.#orAddressAt(at)
        if (one === undefined) return undefined
        found.push(one)
        at = this.#at
        lines++
      } while (bytes[at] === A)
      orAddresses = found
    }

    let microdescriptorDigest = ''
    if (microdesc) {
      // m digest
      if (bytes[at] !== M || bytes[at + 1] !== BLANK || bytes[at + 45] !== LINE_END || !isBase64At(bytes, at + 2, at + 45)) return undefined
      microdescriptorDigest = text.slice(at + 2, at + 45)
      at += 46
    }

    // s flags
    if (bytes[at] !== S || bytes[at + 1] !== BLANK) return undefined
    let eol = text.indexOf('\n', at)
    if (eol < 0) return undefined
    const flagsText = text.slice(at + 2, eol)
    const flags = this.#flags.get(flagsText)
    at = eol + 1

    // v version, pr protocols
    if (bytes[at] !== V || bytes[at + 1] !== BLANK) return undefined
    eol = text.indexOf('\n', at)
    if (eol < 0 || bytes[eol + 1] !== P || bytes[eol + 2] !== R || bytes[eol + 3] !== BLANK) return undefined
    eol = text.indexOf('\n', eol + 1)
    if (eol < 0) return undefined
    const softwareText = text.slice(at + 2, eol)
    const software = this.#software.get(softwareText)
    at = eol + 1

    // w Bandwidth=number [Unmeasured=1]
    if (!text.startsWith('w Bandwidth=', at)) return undefined
    const bandwidth = this.#numberAt(at + 12, 0xffffffff)
    at = this.#at
    if (bandwidth < 0) return undefined
    let unmeasured = false
    if (bytes[at] === BLANK) {
      if (!text.startsWith(' Unmeasured=1', at)) return undefined
      unmeasured = true
      at += 13
    }
    if (bytes[at] !== LINE_END) return undefined
    at++

    // p policy
    let policyText = ''
    let exitPolicy: PortPolicy | undefined
    if (!microdesc) {
      if (bytes[at] !== P || bytes[at + 1] !== BLANK) return undefined
      eol = text.indexOf('\n', at)
      if (eol < 0) return undefined
      policyText = text.slice(at + 2, eol)
      exitPolicy = this.#policies.get(policyText)
      at = eol + 1
    }

    // Nothing else belongs to this entry.
    if (at + FOOTER.length > cursor.end) return undefined
    if (!(bytes[at] === R && bytes[at + 1] === BLANK) && !text.startsWith(FOOTER, at)) return undefined
    if (flags === undefined || software === undefined || (!microdesc && exitPolicy === undefined)) {
      this.#newFlags = flagsText
      this.#newSoftware = softwareText
      this.#newPolicy = policyText
      return undefined
    }
    cursor.at = at
    cursor.line += lines
    const { version, protocols } = software
    const fingerprint = this.#fingerprints.of(rsaIdentity)
    // Two literals, so that all relays of a document have one shape.
    return descriptorDigest === undefined || exitPolicy === undefined
      ? { nickname, rsaIdentity, fingerprint, microdescriptorDigest, published, address, orPort, dirPort, orAddresses, flags, version, protocols, bandwidth, unmeasured }
      : { nickname, rsaIdentity, fingerprint, descriptorDigest, published, address, orPort, dirPort, orAddresses, flags, version, protocols, bandwidth, unmeasured, exitPolicy }
  }

  /** After `read` gave up: what the careful reader made of the same entry. */
  learn({ flags, version, protocols, exitPolicy }: RouterStatus): void {
    if (this.#newFlags !== '') this.#flags.set(this.#newFlags, flags)
    if (this.#newSoftware !== '' && version !== undefined && protocols !== undefined) this.#software.set(this.#newSoftware, { version, protocols })
    if (this.#newPolicy !== '' && exitPolicy !== undefined) this.#policies.set(this.#newPolicy, exitPolicy)
  }

  #timeAt(at: number): WallMs | undefined {
    // As a rule all relays have the same time.
    if (this.#published === undefined || !this.#text.startsWith(this.#publishedText, at)) {
      this.#publishedText = this.#text.slice(at, at + 19)
      this.#published = parseIsoTime(this.#publishedText)
    }
    return this.#published
  }

  /** Decimal digits, no more than ten; -1 for anything else. `#at` is then behind them. */
  #numberAt(start: number, most: number): number {
    const bytes = this.#bytes
    let at = start
    let value = 0
    for (; ; at++) {
      const digit = (bytes[at] as number) - 48
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
    }
    this.#at = at
    return at === start || at - start > 10 || value > most ? -1 : value
  }

  /** `a [2001:db8::1]:9001`, the address in its canonical form (RFC 5952 §4), as authorities write it. */
  #orAddressAt(start: number): OrAddress | undefined {
    const bytes = this.#bytes
    if (bytes[start + 1] !== BLANK || bytes[start + 2] !== BRACKET) return undefined
    const end = canonicalIpv6End(bytes, start + 3)
    if (end < 0 || bytes[end] !== BRACKET_END || bytes[end + 1] !== COLON) return undefined
    const port = this.#numberAt(end + 2, 65535)
    if (port < 1 || this.#at - end > 7 || bytes[this.#at] !== LINE_END) return undefined
    this.#at++
    return { host: this.#text.slice(start + 3, end), port }
  }
}

const noAddresses: readonly OrAddress[] = Object.freeze([])

/** Behind the letters and digits at `at`. */
function wordEnd(bytes: Uint8Array, start: number): number {
  let at = start
  for (; ; at++) {
    const code = bytes[at] as number
    if (!((code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90))) return at
  }
}

/** Behind four decimal parts at `at`, or -1. */
function ipv4End(bytes: Uint8Array, start: number): number {
  let at = start
  for (let part = 0; part < 4; part++) {
    if (part > 0 && bytes[at++] !== DOT) return -1
    const partStart = at
    let value = 0
    for (; ; at++) {
      const digit = (bytes[at] as number) - 48
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
    }
    if (at === partStart || at - partStart > 3 || value > 255) return -1
  }
  return at
}

/**
 * Behind the IPv6 address at `at`, or -1 unless it is sure to be canonical: lower case, no zeros in front, no dotted part, and `::`
 * for two groups or more. Where zeros stand beside others, or in front, another form might be the canonical one: then -1 as well.
 */
function canonicalIpv6End(bytes: Uint8Array, start: number): number {
  let at = start
  let groups = 0
  let shortened = false
  let afterZero = false
  for (;;) {
    const groupStart = at
    for (; ; at++) {
      const code = bytes[at] as number
      if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) break
    }
    const digits = at - groupStart
    if (digits === 0) {
      // Only `::` at the very end leaves a group empty here.
      return shortened && bytes[at - 1] === COLON && bytes[at - 2] === COLON && groups <= 6 && at > start ? at : -1
    }
    const zero = bytes[groupStart] === 48
    if (digits > 4 || (zero && (digits > 1 || afterZero))) return -1
    groups++
    if (bytes[at] !== COLON) return (shortened ? groups <= 6 : groups === 8) ? at : -1
    at++
    afterZero = zero
    if (bytes[at] === COLON) {
      if (shortened || zero) return -1
      shortened = true
      // The zeros that it stands for.
      afterZero = true
      at++
    }
  }
}
