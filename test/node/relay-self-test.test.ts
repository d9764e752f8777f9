import { describe, expect, it } from 'vitest'
import { seconds } from '../../src/core/base/time.ts'
import type { HopTarget } from '../../src/node/origin-circuit.ts'
import { RelaySelfTest } from '../../src/node/relay-self-test.ts'
import { CircuitWorld } from './circuit-world.ts'

function selfTest(world: CircuitWorld, pathToSelf: () => readonly HopTarget[] | undefined, assumeReachable = false): { readonly test: RelaySelfTest; reachable: number } {
  const relay = world.relay(0)
  const outcome = {
    reachable: 0,
    test: new RelaySelfTest({
      runtime: relay.runtime, circuits: () => relay.origin, assumeReachable: () => assumeReachable, pathToSelf, onReachable: () => { outcome.reachable++ },
    }),
  }
  return outcome
}

describe('the self-test of a relay', () => {
  it('is done when another relay has dialled it for a circuit', () => {
    const world = new CircuitWorld({ relays: 3 })
    const outcome = selfTest(world, () => [world.relay(1).hop, world.relay(2).hop, world.relay(0).hop])
    outcome.test.start()
    world.until('relay 2 has made a circuit to relay 0', () => world.relay(0).reached > 0)
    outcome.test.noteReached()
    outcome.test.noteReached()
    expect(outcome.reachable).toBe(1)
    expect(outcome.test.isReachable).toBe(true)
    world.until('its circuit is gone', () => world.relay(0).origin.list().length === 0)
  })

  it('waits for a path, and tries again', () => {
    const world = new CircuitWorld({ relays: 3 })
    let asked = 0
    const outcome = selfTest(world, () => (++asked < 3 ? undefined : [world.relay(1).hop, world.relay(2).hop, world.relay(0).hop]))
    outcome.test.start()
    world.until('relay 0 is reached', () => world.relay(0).reached > 0, seconds(600))
    expect(asked).toBe(3)
    outcome.test.stop()
  })

  it('tries again soon when a circuit fails', () => {
    const world = new CircuitWorld({ relays: 3 })
    let asked = 0
    const elsewhere: HopTarget = { ...world.relay(1).hop, addresses: [{ host: '10.9.9.9', port: 1 }] }
    const outcome = selfTest(world, () => [++asked < 3 ? elsewhere : world.relay(1).hop, world.relay(2).hop, world.relay(0).hop])
    outcome.test.start()
    world.until('relay 0 is reached', () => world.relay(0).reached > 0, seconds(30))
    expect(asked).toBe(3)
    outcome.test.stop()
  })

  it('is taken for granted when the operator says so', () => {
    const world = new CircuitWorld({ relays: 1 })
    const outcome = selfTest(world, () => { throw new Error('not asked') }, true)
    outcome.test.start()
    expect(outcome.reachable).toBe(0)
    world.until('it is said', () => outcome.reachable === 1)
  })
})
