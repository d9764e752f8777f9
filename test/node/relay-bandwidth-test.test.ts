import { describe, expect, it } from 'vitest'
import { hours, minutes, seconds } from '../../src/core/base/time.ts'
import { RelayBandwidthTest } from '../../src/node/relay-bandwidth-test.ts'
import type { HopTarget } from '../../src/node/origin-circuit.ts'
import { CircuitWorld } from './circuit-world.ts'

interface Setting {
  readonly path?: (world: CircuitWorld) => readonly HopTarget[] | undefined
  readonly rate?: number
  readonly observed?: () => number
}

/** The test of relay 0, and how many cells have come back to it. */
function bandwidthTest(setting: Setting = {}) {
  let dropped = 0
  const world: CircuitWorld = new CircuitWorld({
    relays: 3,
    traceSink: (line) => {
      const event = JSON.parse(line) as { event: string; node?: string; command?: string; count?: number }
      if (event.event === 'relay.received' && event.node === 'relay0' && event.command === 'DROP') dropped += event.count ?? 1
    },
  })
  const relay = world.relay(0)
  const path = setting.path ?? ((of) => [of.relay(1).hop, of.relay(2).hop, relay.hop])
  const test = new RelayBandwidthTest({
    runtime: relay.runtime, circuits: () => relay.origin, pathToSelf: () => path(world), rate: () => setting.rate ?? 1e9, observed: setting.observed ?? (() => 1e9),
  })
  return { world, test, circuits: () => relay.origin.list().length, dropped: () => dropped }
}

describe('the bandwidth test of a relay', () => {
  it('sends a window of cells to itself through others, ten seconds after the start, and closes its circuits', () => {
    const { world, test, circuits, dropped } = bandwidthTest()
    test.start()
    world.sim.runFor(seconds(9))
    expect(circuits()).toBe(0)
    world.sim.runFor(seconds(5))
    expect(dropped()).toBe(1000)
    expect(circuits()).toBe(4)
    world.sim.runFor(seconds(10))
    expect(circuits()).toBe(0)
    world.sim.runFor(hours(13))
    expect(dropped()).toBe(1000)
    test.stop()
  })

  it('sends no more than the relay may in ten seconds', () => {
    const { world, test, dropped } = bandwidthTest({ rate: 5090 })
    test.start()
    world.sim.runFor(seconds(14))
    expect(dropped()).toBe(100)
    test.stop()
  })

  it('waits for a path, and tries again when a circuit fails', () => {
    let asked = 0
    const { world, test, dropped } = bandwidthTest({
      path: (of) => {
        asked++
        if (asked === 1) return undefined
        const nowhere: HopTarget = { ...of.relay(1).hop, rsaIdentity: new Uint8Array(20), addresses: [{ host: '10.9.9.9', port: 1 }] }
        return [asked === 2 ? nowhere : of.relay(1).hop, of.relay(2).hop, of.relay(0).hop]
      },
    })
    test.start()
    world.sim.runFor(minutes(2))
    expect(dropped()).toBe(0)
    world.sim.runFor(minutes(2))
    expect([asked, dropped()]).toEqual([6, 1000])
    test.stop()
  })

  it('begins as soon as there is a path, but not before its time', () => {
    let isKnown = false
    const { world, test, dropped } = bandwidthTest({ path: (of) => (isKnown ? [of.relay(1).hop, of.relay(2).hop, of.relay(0).hop] : undefined) })
    test.start()
    test.networkChanged()
    world.sim.runFor(seconds(15))
    isKnown = true
    test.networkChanged()
    test.networkChanged()
    world.sim.runFor(seconds(3))
    expect(dropped()).toBe(1000)
    test.stop()
  })

  it('is done again after half a day where little was seen', () => {
    const { world, test, dropped } = bandwidthTest({ observed: () => 1000 })
    test.start()
    world.sim.runFor(hours(13))
    expect(dropped()).toBe(2000)
    test.stop()
  })

  it('leaves no circuit when it is stopped', () => {
    const { world, test, circuits } = bandwidthTest()
    test.start()
    world.sim.runFor(seconds(12))
    test.stop()
    expect(circuits()).toBe(0)
    world.sim.runFor(hours(24))
    expect(circuits()).toBe(0)
  })
})
