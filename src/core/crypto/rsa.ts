/**
 * RSA as Tor uses it: PKCS #1 v1.5 signatures over a bare digest (no DigestInfo), public exponent 65537, public keys in
 * PKCS #1 DER, identities as the SHA-1 of that DER. Generating keys is the Runtime's business.
 */

import { constants, createPrivateKey, createPublicKey, privateEncrypt, publicDecrypt, sign, type KeyObject } from 'node:crypto'
import { must } from '../base/assert.ts'
import { bytesEqual } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { derInteger, derSequence, readDerIntegers } from './der.ts'
import { sha1 } from './hashes.ts'

const exponent65537 = Uint8Array.of(1, 0, 1)

export class RsaPublicKey {
  /** PKCS #1 `RSAPublicKey`. */
  readonly der: Uint8Array
  readonly bits: number
  #key: KeyObject | undefined

  /** Throws `bad-document` unless Tor uses keys of such numbers and OpenSSL takes them. */
  private constructor(modulus: Uint8Array, exponent: Uint8Array, key?: KeyObject) {
    if (!bytesEqual(exponent, exponent65537)) throw new RelishError('bad-document', 'an RSA public key of Tor has exponent 65537')
    if ((modulus.at(-1) ?? 0) % 2 === 0) throw new RelishError('bad-document', 'malformed RSA public key')
    this.der = derSequence(derInteger(modulus), derInteger(exponent))
    this.bits = modulus.length * 8 - Math.clz32(modulus[0] as number) + 24
    this.#key = key
  }

  /** The public half of an RSA key of `node:crypto`, private or public. Throws `bad-document` unless its exponent is 65537. */
  static fromKeyObject(key: KeyObject): RsaPublicKey {
    const publicKey = key.type === 'private' ? createPublicKey(key) : key
    // By its numbers: Node.js 24 cannot write as PKCS #1 what it read as PKCS #1.
    const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
    return new RsaPublicKey(Buffer.from(n, 'base64url'), Buffer.from(e, 'base64url'), publicKey)
  }

  /** Throws `bad-document` unless `der` is exactly one PKCS #1 RSA public key with exponent 65537. */
  static fromDer(der: Uint8Array): RsaPublicKey {
    const numbers = readDerIntegers(der)
    const [modulus, exponent] = numbers ?? []
    if (modulus === undefined || exponent === undefined || numbers?.length !== 2) throw new RelishError('bad-document', 'malformed RSA public key')
    const made = new RsaPublicKey(modulus, exponent)
    if (!bytesEqual(made.der, der)) throw new RelishError('bad-document', 'RSA public key is not in canonical DER')
    return made
  }

  /** SHA-1 of the DER: a relay's fingerprint, 20 bytes. */
  fingerprint(): Uint8Array {
    return sha1(this.der)
  }

  /** The bytes that were signed, without padding; undefined when the padding is not that of a signature. */
  recover(signature: Uint8Array): Uint8Array | undefined {
    try {
      return new Uint8Array(publicDecrypt({ key: this.keyObject(), padding: constants.RSA_PKCS1_PADDING }, signature))
    } catch {
      return undefined
    }
  }

  /** Whether `signature` is over exactly `digest`. */
  verifyDigest(digest: Uint8Array, signature: Uint8Array): boolean {
    const signed = this.recover(signature)
    return signed !== undefined && bytesEqual(signed, digest)
  }

  /** For X.509 code: the key as `node:crypto` holds it, which takes it over when it is first needed. */
  keyObject(): KeyObject {
    if (this.#key === undefined) {
      const [modulus] = must(readDerIntegers(this.der), 'it was written from its numbers')
      this.#key = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: Buffer.from(must(modulus, 'it is the first')).toString('base64url'), e: 'AQAB' } })
    }
    return this.#key
  }
}

export class RsaPrivateKey {
  readonly #key: KeyObject
  readonly publicKey: RsaPublicKey

  constructor(key: KeyObject) {
    this.#key = key
    this.publicKey = RsaPublicKey.fromKeyObject(key)
  }

  /** Throws `bad-document` unless `pem` is an RSA private key (PKCS #1 or PKCS #8), opened with `passphrase` where encrypted. */
  static fromPem(pem: string, passphrase?: string): RsaPrivateKey {
    let key: KeyObject
    try {
      key = (passphrase === undefined ? usualKey(pem) : undefined) ?? createPrivateKey(passphrase === undefined ? { key: pem } : { key: pem, passphrase })
    } catch (cause) {
      throw new RelishError('bad-document', 'malformed RSA private key', { cause })
    }
    if (key.asymmetricKeyType !== 'rsa') throw new RelishError('bad-document', 'not an RSA private key')
    return new RsaPrivateKey(key)
  }

  /** `-----BEGIN RSA PRIVATE KEY-----` … (PKCS #1), the form of C tor's key files. */
  toPem(): string {
    return this.#key.export({ format: 'pem', type: 'pkcs1' }).toString()
  }

  /** PKCS #1 v1.5 over the bare `digest`. */
  signDigest(digest: Uint8Array): Uint8Array {
    return new Uint8Array(privateEncrypt({ key: this.#key, padding: constants.RSA_PKCS1_PADDING }, digest))
  }

  /** PKCS #1 v1.5 with a DigestInfo, over SHA-256 of `message`: the signature of X.509 certificates, and of nothing else in Tor. */
  signSha256(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign('sha256', message, this.#key))
  }

  /** For X.509 and TLS code: the key as `node:crypto` holds it. */
  keyObject(): KeyObject {
    return this.#key
  }
}

/**
 * A key in the form of C tor's files, PKCS #1 with two primes, by way of a JSON Web Key: OpenSSL 3 sends PEM through its search for decoders,
 * which takes half a millisecond, thirty times as long. Undefined for all others.
 */
function usualKey(pem: string): KeyObject | undefined {
  const base64 = /^-----BEGIN RSA PRIVATE KEY-----\n([A-Za-z0-9+/=\n]+)-----END RSA PRIVATE KEY-----\n?$/.exec(pem)?.[1]
  const numbers = base64 === undefined ? undefined : readDerIntegers(Buffer.from(base64, 'base64'))
  if (numbers?.length !== 9 || numbers[0]?.length !== 0) return undefined
  const [, n, e, d, p, q, dp, dq, qi] = numbers.map((number) => Buffer.from(number).toString('base64url')) as [string, string, string, string, string, string, string, string, string]
  return createPrivateKey({ format: 'jwk', key: { kty: 'RSA', n, e, d, p, q, dp, dq, qi } })
}
