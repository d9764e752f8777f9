import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAuthorityCertificate, verifyAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-gencert-'))
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

function gencert(passphrase: string, ...args: string[]): { code: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [cli.gencertPath, '--passphrase-fd', '0', ...args], { cwd: folder, input: `${passphrase}\n`, encoding: 'utf8', timeout: 60_000 })
  return { code: status, stderr }
}

const certificate = (name = 'authority_certificate') => verifyAuthorityCertificate(parseAuthorityCertificate(readFileSync(join(folder, name), 'latin1')))
const months = (from: number, to: number): number => Math.round((to - from) / (30.4 * 86_400_000))

test('makes keys and a certificate, renews it, and keeps the identity safe', () => {
  expect(gencert('secret', '--create-identity-key', '-m', '6', '-a', '127.0.0.1:7000')).toEqual({ code: 0, stderr: '' })
  const first = certificate()
  expect(first.address).toEqual({ host: '127.0.0.1', port: 7000 })
  expect(months(first.published, first.expires)).toBe(6)
  expect(statSync(join(folder, 'authority_identity_key')).mode & 0o777).toBe(0o400)

  // A new signing key under the same identity.
  expect(gencert('secret').code).toBe(0)
  const second = certificate()
  expect(second.identityFingerprint).toBe(first.identityFingerprint)
  expect(second.signingKeyFingerprint).not.toBe(first.signingKeyFingerprint)

  // The same signing key, certified again.
  expect(gencert('secret', '--reuse', '-c', 'again').code).toBe(0)
  expect(certificate('again').signingKeyFingerprint).toBe(second.signingKeyFingerprint)

  expect(gencert('wrong!').stderr).toContain('is the passphrase right?')
  expect(gencert('secret', '--create-identity-key').stderr).toContain('exists already')
})

test.each([
  [['-m', '25'], '-m is a number from 1 to 24'],
  [['-a', 'nowhere'], 'expected ADDRESS:PORT'],
  [['--bogus'], 'unknown argument "--bogus"'],
  [['-i'], '-i needs a value'],
  [['-i', 'missing'], 'cannot read missing'],
])('refuses %j', (args, words) => {
  const { code, stderr } = gencert('secret', ...args)
  expect(code).toBe(1)
  expect(stderr).toContain(words)
})
