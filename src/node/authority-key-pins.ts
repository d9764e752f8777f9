/**
 * Which Ed25519 identity belongs to which RSA identity, as first seen (dir-spec §2.1.1 leaves it to authorities; the file
 * is C tor's `key-pinning-journal`: lines of two base64 words).
 */

import { asRelishError } from '../core/base/errors.ts'
import { hexEncodeUpper, latin1Decode, latin1Encode, base64EncodeUnpadded } from '../core/base/encoding.ts'
import { decodeBase64Fixed } from '../core/netdoc/base64.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { Runtime } from '../runtime/index.ts'
import { KEY_PINS_MAX } from './authority-limits.ts'

const fileName = 'key-pinning-journal'

export class KeyPins {
  readonly #runtime: Runtime
  /** RSA fingerprint to Ed25519 identity (unpadded base64), and back. */
  readonly #ed25519 = new Map<string, string>()
  readonly #rsa = new Map<string, string>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    const content = runtime.files.read(fileName)
    if (content === undefined) return
    for (const line of latin1Decode(content).split('\n')) {
      const [rsa = '', ed25519 = ''] = line.split(' ')
      const rsaBytes = decodeBase64Fixed(rsa, 20)
      const ed25519Bytes = decodeBase64Fixed(ed25519, 32)
      // Comments and lines cut short by a crash are passed over; a later line wins.
      if (rsaBytes !== undefined && ed25519Bytes !== undefined) this.#set(hexEncodeUpper(rsaBytes), base64EncodeUnpadded(ed25519Bytes))
    }
  }

  /** Whether the descriptor's identities contradict what was seen before. */
  contradicts(descriptor: ServerDescriptor): boolean {
    const ed25519 = base64EncodeUnpadded(descriptor.ed25519Identity)
    const pinnedEd25519 = this.#ed25519.get(descriptor.fingerprint)
    const pinnedRsa = this.#rsa.get(ed25519)
    return (pinnedEd25519 !== undefined && pinnedEd25519 !== ed25519) || (pinnedRsa !== undefined && pinnedRsa !== descriptor.fingerprint)
  }

  /** Remembers the pair of an accepted descriptor. */
  pin(descriptor: ServerDescriptor): void {
    const ed25519 = base64EncodeUnpadded(descriptor.ed25519Identity)
    if (this.#ed25519.get(descriptor.fingerprint) === ed25519) return
    this.#set(descriptor.fingerprint, ed25519)
    if (this.#ed25519.size > KEY_PINS_MAX) return
    try {
      this.#runtime.files.append(fileName, latin1Encode(`${base64EncodeUnpadded(descriptor.rsaIdentity)} ${ed25519}\n`))
    } catch (thrown) {
      this.#runtime.log.write('warn', 'dirserv', `Unable to write ${fileName}: ${asRelishError(thrown).message}. The pair is pinned until this process ends.`)
    }
  }

  #set(fingerprint: string, ed25519: string): void {
    this.#ed25519.set(fingerprint, ed25519)
    this.#rsa.set(ed25519, fingerprint)
  }
}
