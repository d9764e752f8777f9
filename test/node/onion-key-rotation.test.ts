import { expect, test } from 'vitest'
import { bytesEqual } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { hours } from '../../src/core/base/time.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { OnionKeyRotation } from '../../src/node/onion-key-rotation.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import type { SimMachine } from '../../src/sim/sim-machine.ts'
import { Simulation } from '../../src/sim/simulation.ts'

interface World {
  readonly sim: Simulation
  readonly machine: SimMachine
  readonly runtime: Runtime
  readonly rotation: OnionKeyRotation
  keys: RelayKeys
}

function world(): World {
  const sim = new Simulation({ seed: 'rotation' })
  const machine = sim.addMachine({ name: 'relay', addresses: ['192.0.2.1'] })
  const runtime = machine.boot()
  let loaded: RelayKeys | undefined
  loadOrCreateRelayKeys(runtime.files, { nickname: 'relay', now: runtime.wallNow(), rng: runtime.rng('keys'), generateRsaKey: runtime.generateRsaKey }, (result) => {
    if (!(result instanceof RelishError)) loaded = result
  })
  sim.runUntil(() => loaded !== undefined, hours(1))
  if (loaded === undefined) throw new Error('no keys')
  const made: World = {
    sim, machine, runtime, keys: loaded,
    rotation: new OnionKeyRotation({ runtime, keys: () => made.keys, setKeys: (changed) => { made.keys = changed }, rotationDays: () => 28, graceDays: () => 7 }),
  }
  made.rotation.start()
  return made
}

test('the onion key stays as long as the disk is full, and changes when it is not', () => {
  const made = world()
  const { sim, machine } = made
  const first = made.keys.ntorOnionKey.publicKey
  machine.files.setCapacity(machine.files.bytes)
  sim.runFor(hours(30 * 24))
  expect(made.keys.ntorOnionKey.publicKey).toEqual(first)
  machine.files.setCapacity()
  sim.runFor(hours(2))
  expect(bytesEqual(made.keys.ntorOnionKey.publicKey, first)).toBe(false)
  made.rotation.stop()
})

test('the onion key changes after its days, and the one before it is forgotten after the grace period', () => {
  const made = world()
  const { sim, runtime } = made
  const first = made.keys.ntorOnionKey.publicKey
  sim.runFor(hours(27 * 24))
  expect(made.keys.ntorOnionKey.publicKey).toEqual(first)
  sim.runFor(hours(2 * 24))
  expect(bytesEqual(made.keys.ntorOnionKey.publicKey, first)).toBe(false)
  expect(made.keys.ntorOnionKeyOld?.publicKey).toEqual(first)
  sim.runFor(hours(6 * 24))
  expect(made.keys.ntorOnionKeyOld).toBeDefined()
  sim.runFor(hours(2 * 24))
  expect(made.keys.ntorOnionKeyOld).toBeUndefined()
  expect(runtime.files.read('keys/secret_onion_key_ntor.old')).toBeUndefined()
  made.rotation.stop()
})
