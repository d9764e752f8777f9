/** The directory of onion services: what is kept, for how long, and who may put it there and ask for it. */

import { beforeEach, describe, expect, test } from 'vitest'
import { base64EncodeUnpadded, latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import { RelishError, type ErrorKind } from '../../src/core/base/errors.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { days, hours, later, minutes } from '../../src/core/base/time.ts'
import { ed25519Generate, type Ed25519KeyPair } from '../../src/core/crypto/ed25519.ts'
import type { HttpResponse } from '../../src/core/dirhttp/message.ts'
import { signHsDescriptorOuter } from '../../src/core/netdoc/hs-descriptor-outer.ts'
import { DirCache } from '../../src/node/dir-cache.ts'
import { HS_DIR_ENTRY_BYTES } from '../../src/node/dir-limits.ts'
import { DirServer } from '../../src/node/dir-server.ts'
import { HsDirCache } from '../../src/node/hs-dir-cache.ts'
import { HsDirServer } from '../../src/node/hs-dir-server.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import { Simulation } from '../../src/sim/simulation.ts'

const rng = new SeededRng('hs directory')
let sim: Simulation
let runtime: Runtime
let cache: HsDirCache
let bytesMax: number
beforeEach(() => {
  sim = new Simulation({ seed: 'hs directory' })
  runtime = sim.addMachine({ name: 'directory', addresses: ['192.0.2.1'] }).boot()
  bytesMax = 1_000_000
  cache = new HsDirCache(runtime, { bytesMax: () => bytesMax, descriptorBytesMax: () => 50_000 })
})

const keyPair = (): Ed25519KeyPair => ed25519Generate(rng)
const nameOf = (key: Ed25519KeyPair): string => base64EncodeUnpadded(key.publicKey)

function descriptor(key: Ed25519KeyPair, options: { revision?: bigint; minutes?: number; bytes?: number } = {}): string {
  const content = {
    lifetimeMinutes: options.minutes ?? 180,
    revisionCounter: options.revision ?? 1n,
    superencrypted: rng.bytes(options.bytes ?? 600),
    certificateExpires: later(runtime.wallNow(), days(2)),
  }
  return signHsDescriptorOuter(content, key, keyPair())
}

function refusal(text: string): ErrorKind | undefined {
  try {
    cache.store(text)
    return undefined
  } catch (error) {
    if (error instanceof RelishError) return error.kind
    throw error
  }
}

describe('descriptors kept for others', () => {
  test('the one with the greatest counter stays', () => {
    const key = keyPair()
    const [second, first, third] = [2n, 1n, 3n].map((revision) => descriptor(key, { revision })) as [string, string, string]
    expect(refusal(second)).toBeUndefined()
    expect(refusal(first)).toBe('refused')
    expect(refusal(second)).toBe('refused')
    expect(cache.find(nameOf(key))).toBe(second)
    expect(refusal(third)).toBeUndefined()
    expect(cache.find(nameOf(key))).toBe(third)
    expect(cache.size).toBe(1)
    expect(cache.bytes).toBe(third.length + HS_DIR_ENTRY_BYTES)
  })

  test('they go when their time is over, and an older counter may come then', () => {
    const key = keyPair()
    cache.store(descriptor(key, { revision: 9n, minutes: 60 }))
    sim.runFor(minutes(59))
    expect(cache.find(nameOf(key))).toBeDefined()
    sim.runFor(minutes(2))
    expect(cache.find(nameOf(key))).toBeUndefined()
    cache.store(descriptor(keyPair()))
    expect(cache.size).toBe(1)
    expect(refusal(descriptor(key, { revision: 1n }))).toBeUndefined()
  })

  test('what is too long, malformed or badly signed is not kept', () => {
    expect(refusal(descriptor(keyPair(), { bytes: 40_000 }))).toBe('limit')
    expect(refusal('hs-descriptor 3\n')).toBe('bad-document')
    expect(refusal(descriptor(keyPair()).replace('lifetime 180', 'lifetime 181'))).toBe('bad-signature')
    const expiring = descriptor(keyPair())
    sim.runFor(hours(72))
    expect(refusal(expiring)).toBe('bad-document')
    expect(cache.size).toBe(0)
    expect(cache.bytes).toBe(0)
  })

  test('those asked for least make room', () => {
    const keys = Array.from({ length: 10 }, keyPair)
    for (const key of keys) cache.store(descriptor(key))
    bytesMax = cache.bytes
    for (const key of keys.slice(0, 7)) cache.find(nameOf(key))
    const late = keyPair()
    cache.store(descriptor(late))
    expect(cache.bytes).toBeLessThanOrEqual(bytesMax)
    expect(cache.find(nameOf(late))).toBeDefined()
    expect(keys.map((key) => cache.find(nameOf(key)) !== undefined)).toEqual([...Array<boolean>(7).fill(true), false, false, expect.any(Boolean)])
  })
})

describe('requests', () => {
  let server: DirServer
  beforeEach(() => {
    server = new DirServer({ runtime, cache: new DirCache(runtime, new Set()), hsDir: new HsDirServer(runtime, cache) })
  })
  const get = (name: string, anonymous = true): HttpResponse => server.handle({ method: 'GET', target: `/tor/hs/3/${name}`, headers: [], body: new Uint8Array(0) }, undefined, anonymous)
  const post = (text: string, anonymous = true, target = '/tor/hs/3/publish'): HttpResponse => server.handle({ method: 'POST', target, headers: [], body: latin1Encode(text) }, undefined, anonymous)

  test('what is published can be fetched, by a key with slashes too', () => {
    let key = keyPair()
    while (!nameOf(key).includes('/')) key = keyPair()
    const text = descriptor(key)
    expect(post(text)).toMatchObject({ status: 200 })
    const response = get(nameOf(key))
    expect(response.status).toBe(200)
    expect(latin1Decode(response.body)).toBe(text)
    expect(get(`${nameOf(key)}=`).status).toBe(200)
  })

  test('only through circuits of several hops', () => {
    const key = keyPair()
    expect(post(descriptor(key), false).status).toBe(503)
    expect(cache.size).toBe(0)
    cache.store(descriptor(key))
    expect(get(nameOf(key), false)).toMatchObject({ status: 503 })
    expect(get(nameOf(key), false).body.length).toBe(0)
  })

  test('what is not there, or no key, is not found', () => {
    for (const name of [nameOf(keyPair()), 'short', '', `${'A'.repeat(42)}!`]) expect(get(name).status).toBe(404)
  })

  test('bad descriptors and other paths are bad requests', () => {
    expect(post('nonsense').status).toBe(400)
    expect(post(descriptor(keyPair()), true, '/tor/hs/2/publish').status).toBe(400)
    expect(post(descriptor(keyPair()), true, '/tor/hs/3/else').status).toBe(400)
    const twice = descriptor(keyPair())
    expect([post(twice).status, post(twice).status]).toEqual([200, 400])
  })
})
