import { describe, expect, test } from 'vitest'
import { fileURLToPath } from 'node:url'
import { bytesEqual, hexEncodeUpper, base64EncodeUnpadded } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { hours, later, wallMs } from '../../../src/core/base/time.ts'
import { loadOrCreateRelayKeys, rotateNtorKey, signingKeyDue, type RelayKeys, type RelayKeyOptions } from '../../../src/core/cert/relay-keys.ts'
import { parseRsaCrossCert, verifyRsaCrossCert } from '../../../src/core/cert/rsa-cross-cert.ts'
import { rsaKeyFromRng } from '../../../src/core/crypto/rsa-seeded.ts'
import { keyFilePaths } from '../../../src/core/ident/key-files.ts'
import { MemoryKeyStore } from '../../support/memory-key-store.ts'

const captured = fileURLToPath(new URL('../../vectors/ctor-keys/relay', import.meta.url))
const capturedAt = wallMs(Date.UTC(2026, 10, 22, 10))

function load(store: MemoryKeyStore, options: Partial<RelayKeyOptions> = {}): RelayKeys | RelishError {
  const rng = new SeededRng('relay-keys')
  let result: RelayKeys | RelishError | undefined
  loadOrCreateRelayKeys(
    store,
    { nickname: 'vectorrelay', now: capturedAt, rng, generateRsaKey: (bits, onKey) => onKey(rsaKeyFromRng(rng, bits)), ...options },
    (done) => {
      expect(result).toBeUndefined()
      result = done
    },
  )
  if (result === undefined) throw new Error('no answer')
  return result
}

function keysOf(result: RelayKeys | RelishError): RelayKeys {
  if (result instanceof RelishError) throw result
  return result
}

function snapshot(store: MemoryKeyStore): Map<string, Uint8Array> {
  return new Map(store.files)
}

describe('relay keys', () => {
  test('a data directory of C tor is taken over without a change', () => {
    const store = MemoryKeyStore.from(captured)
    const before = snapshot(store)
    const keys = keysOf(load(store))
    expect(hexEncodeUpper(keys.rsaFingerprint)).toBe('F35FAD8160A55D9B1425F7A82C8874264F3FB0F2')
    expect(base64EncodeUnpadded(keys.ed25519Identity)).toBe('VdVSTEWNoJ/hjvfes3n8pyazH/C0r7/wvYIsx+Zzoyw')
    expect(keys.familyKeys.map((key) => base64EncodeUnpadded(key.publicKey))).toEqual(['1AgMto0y5f7RTNt1aHO2osUQB6nZM+gfwicjRVJpj1w'])
    expect(snapshot(store)).toEqual(before)
  })

  test('keys made once are the same after a restart', () => {
    const store = new MemoryKeyStore()
    const made = keysOf(load(store))
    const before = snapshot(store)
    const again = keysOf(load(store, { rng: new SeededRng('other') }))
    expect(snapshot(store)).toEqual(before)
    expect(again.rsaFingerprint).toEqual(made.rsaFingerprint)
    expect(again.ed25519Identity).toEqual(made.ed25519Identity)
    expect(again.signingCert.encoded).toEqual(made.signingCert.encoded)
    expect(again.ntorOnionKey).toEqual(made.ntorOnionKey)
    expect([...store.files.keys()].sort()).toEqual(
      [
        keyFilePaths.rsaIdentity, keyFilePaths.masterSecret, keyFilePaths.masterPublic, keyFilePaths.signingSecret,
        keyFilePaths.signingCertificate, keyFilePaths.tapOnion, keyFilePaths.ntorOnion, keyFilePaths.fingerprint, keyFilePaths.fingerprintEd25519,
      ].sort(),
    )
    expect([...store.modes.values()].every((mode) => mode === 0o600)).toBe(true)
    verifyRsaCrossCert(parseRsaCrossCert(made.rsaCrossCert.encoded), made.rsaIdentity.publicKey, capturedAt)
  })

  test('the signing key is certified anew when its certificate nears its end', () => {
    const store = MemoryKeyStore.from(captured)
    const first = keysOf(load(store))
    const almost = later(signingKeyDue(first), hours(-1))
    expect(keysOf(load(store, { now: almost })).signingKey.publicKey).toEqual(first.signingKey.publicKey)
    const due = later(signingKeyDue(first), hours(1))
    const renewed = keysOf(load(store, { now: due }))
    expect(bytesEqual(renewed.signingKey.publicKey, first.signingKey.publicKey)).toBe(false)
    expect(renewed.ed25519Identity).toEqual(first.ed25519Identity)
    expect(renewed.signingCert.expires).toBeGreaterThan(later(due, hours(29 * 24)))
    expect(keysOf(load(store, { now: due })).signingKey.publicKey).toEqual(renewed.signingKey.publicKey)
  })

  test('an off-line master key is not missed until the signing key runs out', () => {
    const store = MemoryKeyStore.from(captured)
    store.files.delete(keyFilePaths.masterSecret)
    const first = keysOf(load(store))
    const late = later(signingKeyDue(first), hours(1))
    expect(keysOf(load(store, { now: late })).signingKey.publicKey).toEqual(first.signingKey.publicKey)
    const tooLate = load(store, { now: later(first.signingCert.expires, hours(1)) })
    expect(tooLate).toBeInstanceOf(RelishError)
    expect((tooLate as RelishError).kind).toBe('config')
    expect(store.files.has(keyFilePaths.masterSecret)).toBe(false)
  })

  test('a lost public key file is written again', () => {
    const store = MemoryKeyStore.from(captured)
    const before = store.files.get(keyFilePaths.masterPublic)
    store.files.delete(keyFilePaths.masterPublic)
    keysOf(load(store))
    expect(store.files.get(keyFilePaths.masterPublic)).toEqual(before)
  })

  test.each(Object.values(keyFilePaths).filter((path) => path.startsWith('keys/') && MemoryKeyStore.from(captured).files.has(path)))(
    'a damaged %s is reported by name',
    (path) => {
      // The master secret is looked at only when a new signing key is due.
      const now = later(capturedAt, path === keyFilePaths.masterSecret ? hours(40 * 24) : hours(0))
      const store = MemoryKeyStore.from(captured)
      store.files.set(path, (store.files.get(path) ?? new Uint8Array()).slice(0, 60))
      const result = load(store, { now })
      expect(result).toBeInstanceOf(RelishError)
      expect((result as RelishError).kind).toBe('bad-document')
      expect((result as RelishError).message).toContain(path)
    },
  )

  test('a master key of another relay is refused', () => {
    const store = MemoryKeyStore.from(captured)
    const other = new MemoryKeyStore()
    keysOf(load(other))
    store.files.set(keyFilePaths.masterSecret, other.files.get(keyFilePaths.masterSecret) ?? new Uint8Array())
    const result = load(store, { now: later(capturedAt, hours(40 * 24)) })
    expect((result as RelishError).message).toContain('does not belong')
  })

  test('rotation keeps the key before', () => {
    const store = MemoryKeyStore.from(captured)
    const first = keysOf(load(store))
    rotateNtorKey(store, first, new SeededRng('rotation'))
    const after = keysOf(load(store))
    expect(after.ntorOnionKeyOld).toEqual(first.ntorOnionKey)
    expect(after.ntorOnionKey).not.toEqual(first.ntorOnionKey)
  })

  test('a store that fails is an answer, not an exception', () => {
    const store = new MemoryKeyStore()
    store.write = () => {
      throw new RelishError('local-io', 'disk full')
    }
    expect((load(store) as RelishError).kind).toBe('local-io')
  })
})
