/** How controllers prove that they may control the node (control-spec §3.5, §3.24, §5.1). */

import { concatBytes, utf8Encode } from '../base/encoding.ts'
import { constantTimeEqual, hmacSha256 } from '../crypto/hashes.ts'
import { passwordMatches, type HashedPassword } from '../torrc/hashed-password.ts'

export const COOKIE_BYTES = 32
export const NONCE_BYTES = 32

/** What a controller may prove. With neither, anybody may control. */
export interface ControlSecrets {
  /** 32 bytes. */
  readonly cookie: Uint8Array | undefined
  /** Absolute path of the file that holds it. */
  readonly cookieFile: string | undefined
  readonly passwords: readonly HashedPassword[]
}

/** The methods of PROTOCOLINFO (control-spec §3.21). */
export function authMethods(secrets: ControlSecrets): string[] {
  const methods: string[] = []
  if (secrets.cookie !== undefined) methods.push('COOKIE', 'SAFECOOKIE')
  if (secrets.passwords.length > 0) methods.push('HASHEDPASSWORD')
  return methods.length === 0 ? ['NULL'] : methods
}

/** After a successful AUTHCHALLENGE this proof, and no other, is accepted. */
export interface SafeCookieChallenge {
  readonly serverHash: Uint8Array
  readonly expectedProof: Uint8Array
}

const serverKey = utf8Encode('Tor safe cookie authentication server-to-controller hash')
const controllerKey = utf8Encode('Tor safe cookie authentication controller-to-server hash')

export function challenge(cookie: Uint8Array, clientNonce: Uint8Array, serverNonce: Uint8Array): SafeCookieChallenge {
  const message = concatBytes([cookie, clientNonce, serverNonce])
  return { serverHash: hmacSha256(serverKey, message), expectedProof: hmacSha256(controllerKey, message) }
}

/** Whether `given` authenticates without a challenge. */
export function authenticates(given: Uint8Array, secrets: ControlSecrets): boolean {
  if (secrets.cookie === undefined && secrets.passwords.length === 0) return true
  if (secrets.cookie !== undefined && constantTimeEqual(given, secrets.cookie)) return true
  return secrets.passwords.some((password) => passwordMatches(given, password))
}
