/** Maps errors of Node.js's sockets and files to the project's error kinds. */

import { RelishError, type ErrorKind } from '../core/base/errors.ts'

const kinds: Readonly<Record<string, ErrorKind>> = Object.freeze({
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timeout',
  EPROTO: 'protocol',
  EMFILE: 'limit',
  ENFILE: 'limit',
  ENOBUFS: 'limit',
})

/** The `code` property of a system error (`ECONNREFUSED`, `ENOENT`, …), if it has one. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/** A socket's error. OpenSSL's and Node's TLS complaints are the peer's breach of TLS, hence `protocol`. */
export function socketError(attempt: string, thrown: unknown): RelishError {
  if (thrown instanceof RelishError) return thrown.within(attempt)
  const code = systemErrorCode(thrown)
  const words = thrown instanceof Error ? thrown.message : String(thrown)
  const kind: ErrorKind =
    code === undefined ? 'local-io' : code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') ? 'protocol' : (kinds[code] ?? 'local-io')
  return new RelishError(kind, `${attempt}: ${words}`, { cause: thrown })
}
