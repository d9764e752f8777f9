import { expect, test } from 'vitest'
import { bytesEqual } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { hours } from '../../src/core/base/time.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { OnionKeyRotation } from '../../src/node/onion-key-rotation.ts'
import { Simulation } from '../../src/sim/simulation.ts'

test('the onion key changes after its days, and the one before it is forgotten after the grace period', () => {
  const sim = new Simulation({ seed: 'rotation' })
  const runtime = sim.addMachine({ name: 'relay', addresses: ['192.0.2.1'] }).boot()
  let loaded: RelayKeys | undefined
  loadOrCreateRelayKeys(runtime.files, { nickname: 'relay', now: runtime.wallNow(), rng: runtime.rng('keys'), generateRsaKey: runtime.generateRsaKey }, (result) => {
    if (!(result instanceof RelishError)) loaded = result
  })
  sim.runUntil(() => loaded !== undefined, hours(1))
  if (loaded === undefined) throw new Error('no keys')
  let keys: RelayKeys = loaded
  const first = keys.ntorOnionKey.publicKey
  const rotation = new OnionKeyRotation({ runtime, keys: () => keys, setKeys: (changed) => { keys = changed }, rotationDays: () => 28, graceDays: () => 7 })
  rotation.start()
  sim.runFor(hours(27 * 24))
  expect(keys.ntorOnionKey.publicKey).toEqual(first)
  sim.runFor(hours(2 * 24))
  expect(bytesEqual(keys.ntorOnionKey.publicKey, first)).toBe(false)
  expect(keys.ntorOnionKeyOld?.publicKey).toEqual(first)
  sim.runFor(hours(6 * 24))
  expect(keys.ntorOnionKeyOld).toBeDefined()
  sim.runFor(hours(2 * 24))
  expect(keys.ntorOnionKeyOld).toBeUndefined()
  expect(runtime.files.read('keys/secret_onion_key_ntor.old')).toBeUndefined()
  rotation.stop()
})
