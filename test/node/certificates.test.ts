/** Certificates of authorities are fetched when a consensus needs them, and before they expire (dir-spec §5.1). */

import { describe, expect, test } from 'vitest'
import { latin1Encode } from '../../src/core/base/encoding.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { days, hours, later, minutes, wallMs } from '../../src/core/base/time.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import { signAuthorityCertificate, type AuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { DirCache } from '../../src/node/dir-cache.ts'
import { CertificateClient } from '../../src/node/dir-certificate-client.ts'
import { CERTIFICATE_CHECK_INTERVAL, CERTIFICATE_RENEWED_BEFORE } from '../../src/node/dir-limits.ts'
import { DirSources } from '../../src/node/dir-sources.ts'
import type { DirTransport } from '../../src/node/dir-transport.ts'
import { Simulation } from '../../src/sim/simulation.ts'

const start = wallMs(Date.UTC(2026, 0, 1))
const rng = new SeededRng('certificates')
const identities = [rsaKeyFromRng(rng, 1024), rsaKeyFromRng(rng, 1024)]
const signingKey = rsaKeyFromRng(rng, 1024)
const certify = (i: number, lifeDays: number, from = 0): AuthorityCertificate =>
  signAuthorityCertificate({ published: later(start, days(from)), expires: later(start, days(from + lifeDays)) }, identities[i] ?? signingKey, from === 0 ? signingKey : rsaKeyFromRng(rng, 1024))

/** A node that asks a directory which has `served`; what it asks for is kept. */
function world(held: readonly AuthorityCertificate[], served: () => readonly AuthorityCertificate[], missing: () => readonly string[] = () => []) {
  const simulation = new Simulation({ seed: 'certificates', start })
  const runtime = simulation.addMachine({ name: 'node', addresses: ['10.0.0.9'] }).boot()
  const options = buildConfig([parseConfigText(`TestingTorNetwork 1\nDataDirectory d\nORPort 10.0.0.9:9001\nNickname n\nContactInfo x\nDirAuthority a orport=5000 v3ident=${'A'.repeat(40)} 10.0.0.1:7000 ${'1'.repeat(40)}`, 'torrc')]).options
  const cache = new DirCache(runtime, new Set(held.map((one) => one.identityFingerprint)))
  cache.addCertificates(held)
  const asked: string[] = []
  const transport: DirTransport = {
    send: (_, request, handlers) => {
      asked.push(request.target)
      const body = latin1Encode(served().map((one) => one.text).join(''))
      return runtime.setTimer(minutes(0), () => handlers.onResponse({ status: body.length === 0 ? 404 : 200, reason: '', headers: [], body }))
    },
  }
  const client = new CertificateClient(runtime, cache, new DirSources({ runtime, options, dirPort: transport, beginDir: transport }), true, missing)
  return { simulation, cache, client, asked }
}

describe('certificates', () => {
  test('that last are left alone', () => {
    const { simulation, client, asked } = world([certify(0, 300), certify(1, 300)], () => [])
    client.start()
    simulation.runFor(days(10))
    expect(asked).toEqual([])
  })

  test('are looked for a day before they expire, and no more once there is a new one', () => {
    const old = certify(0, 10)
    const renewed = certify(0, 300, 9)
    const { simulation, cache, client, asked } = world([old, certify(1, 300)], () => [old, ...(asked.length > 3 ? [renewed] : [])])
    client.start()
    simulation.runFor(hours(9 * 24 - 1))
    expect(asked).toEqual([])
    simulation.runFor(CERTIFICATE_RENEWED_BEFORE)
    // The authority takes its time; we ask once in a while.
    expect(asked).toEqual(Array(4).fill(`/tor/keys/fp/${old.identityFingerprint}`))
    expect(cache.certificateOf(renewed.identityFingerprint, renewed.signingKeyFingerprint)?.text).toBe(renewed.text)
    simulation.runFor(CERTIFICATE_CHECK_INTERVAL)
    expect(asked).toHaveLength(4)
  })

  test('that a consensus needs are asked for at once, until they come', () => {
    const wanted = certify(0, 300)
    const name = `${wanted.identityFingerprint}-${wanted.signingKeyFingerprint}`
    const given: AuthorityCertificate[] = []
    const { simulation, cache, client, asked } = world([], () => given, () => (given.length === 0 ? [name] : []))
    client.fetchMissing()
    simulation.runFor(minutes(1))
    expect(asked.length).toBeGreaterThan(3)
    expect(new Set(asked)).toEqual(new Set([`/tor/keys/fp-sk/${name}`]))
    given.push(wanted)
    simulation.runFor(minutes(1))
    const before = asked.length
    simulation.runFor(minutes(10))
    expect(asked).toHaveLength(before)
    // Nobody trusts that authority here.
    expect([...cache.certificates()]).toEqual([])
  })

  test('are not asked for by a client that was stopped', () => {
    const { simulation, client, asked } = world([certify(0, 1)], () => [])
    client.start()
    client.stop()
    simulation.runFor(days(1))
    expect(asked).toEqual([])
  })
})
