/** C tor starts from key files that we made, and we from those it made. Needs `tor` and `tor-gencert` on the PATH. */

import { execFileSync } from 'node:child_process'
import { generateKeyPair } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { formatEd25519Identity, formatFingerprint } from '../../src/core/ident/fingerprint.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { hours, later, wallMs } from '../../src/core/base/time.ts'
import { emitAuthorityIdentityKey, generateAuthorityKeys } from '../../src/core/cert/authority-keys.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { RsaPrivateKey } from '../../src/core/crypto/rsa.ts'
import { RsaKeySearch } from '../../src/core/crypto/rsa-seeded.ts'
import { MemoryKeyStore } from '../support/memory-key-store.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'relish-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const generateRsaKey = (bits: number, onKey: (key: RsaPrivateKey) => void): void =>
  generateKeyPair('rsa', { modulusLength: bits }, (error, _publicKey, privateKey) => {
    if (error !== null) throw error
    onKey(new RsaPrivateKey(privateKey))
  })

const loadKeys = (store: MemoryKeyStore, now = wallMs(Date.now())): Promise<RelayKeys> =>
  new Promise((resolve, reject) => {
    const rng = new SeededRng(`interop ${now}`)
    loadOrCreateRelayKeys(store, { nickname: 'vectorrelay', now, rng, generateRsaKey }, (result) =>
      result instanceof RelishError ? reject(result) : resolve(result),
    )
  })

function writeStore(store: MemoryKeyStore): void {
  for (const [path, content] of store.files) {
    mkdirSync(dirname(join(folder, 'data', path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, 'data', path), content, { mode: store.modes.get(path) ?? 0o600 })
  }
}

/** Has C tor load or make its keys; answers with what it says its identities are. */
function runTor(): { rsa: string; ed25519: string; warnings: string[] } {
  writeFileSync(
    join(folder, 'torrc'),
    [
      'TestingTorNetwork 1', `DataDirectory ${folder}/data`, 'ORPort 127.0.0.1:34591', 'Address 127.0.0.1', 'Nickname vectorrelay', 'SocksPort 0',
      'DirAuthority test 127.0.0.1:1 ABCDABCDABCDABCDABCDABCDABCDABCDABCDABCD', 'AssumeReachable 1', 'DisableNetwork 1', 'ContactInfo x@example.com',
    ].join('\n'),
  )
  mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o700 })
  chmodSync(join(folder, 'data'), 0o700)
  const output = execFileSync('tor', ['-f', join(folder, 'torrc'), '--list-fingerprint'], { encoding: 'utf8' })
  return {
    rsa: /identity key fingerprint is 'vectorrelay (\w+)'/.exec(output)?.[1] ?? output,
    ed25519: /ed25519 fingerprint is 'vectorrelay ([^']+)'/.exec(output)?.[1] ?? output,
    warnings: output.split('\n').filter((line) => /\[(warn|err)\]/.test(line) && !/as root|DirAuthority|TestingTorNetwork/.test(line)),
  }
}

test('C tor takes over a data directory that we made', async () => {
  const store = new MemoryKeyStore()
  const keys = await loadKeys(store)
  writeStore(store)
  const tor = runTor()
  expect(tor.warnings).toEqual([])
  expect(tor.rsa).toBe(formatFingerprint(keys.rsaFingerprint))
  expect(tor.ed25519).toBe(formatEd25519Identity(keys.ed25519Identity))
  for (const [path, content] of store.files) {
    expect(new Uint8Array(readFileSync(join(folder, 'data', path))), path).toEqual(content)
    expect(statSync(join(folder, 'data', path)).mode & 0o777).toBe(0o600)
  }
})

test('C tor takes over a signing key that we certified anew', async () => {
  const store = new MemoryKeyStore()
  const first = await loadKeys(store, later(wallMs(Date.now()), hours(-32 * 24)))
  const second = await loadKeys(store)
  expect(second.signingKey.publicKey).not.toEqual(first.signingKey.publicKey)
  writeStore(store)
  const tor = runTor()
  expect(tor.warnings).toEqual([])
  expect(tor.ed25519).toBe(formatEd25519Identity(first.ed25519Identity))
})

test('we take over a data directory that C tor made', async () => {
  const tor = runTor()
  const store = MemoryKeyStore.from(join(folder, 'data'))
  const before = new Map(store.files)
  const keys = await loadKeys(store)
  expect(formatFingerprint(keys.rsaFingerprint)).toBe(tor.rsa)
  expect(formatEd25519Identity(keys.ed25519Identity)).toBe(tor.ed25519)
  expect(store.files).toEqual(before)
})

test.each([2, 3])('tor-gencert opens an identity key of %i primes that we made and certifies our signing key', async (primes) => {
  const made = await new Promise<{ identityKey: RsaPrivateKey; signingKey: RsaPrivateKey }>((resolve) => generateAuthorityKeys(generateRsaKey, resolve))
  const keys = primes === 2 ? made : { ...made, identityKey: new RsaKeySearch(new SeededRng('three primes')).keyOfThreePrimes(2048) }
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('identity'), emitAuthorityIdentityKey(keys.identityKey, 'password'), { mode: 0o600 })
  writeFileSync(path('signing'), keys.signingKey.toPem(), { mode: 0o600 })
  execFileSync('tor-gencert', ['-r', '-i', path('identity'), '-s', path('signing'), '-c', path('certificate'), '--passphrase-fd', '0'], {
    input: 'password\n',
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const certificate = readFileSync(path('certificate'), 'utf8')
  expect(certificate).toContain(`fingerprint ${formatFingerprint(keys.identityKey.publicKey.fingerprint())}`)
  expect(certificate).toContain(keys.signingKey.publicKey.keyObject().export({ format: 'pem', type: 'pkcs1' }))
})
