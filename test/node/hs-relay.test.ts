/** Introductions and rendezvous at relays of a simulated network: what each end gets, and what is left when one goes. */

import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../src/core/base/rng.ts'
import { seconds } from '../../src/core/base/time.ts'
import { Writer } from '../../src/core/bytes/writer.ts'
import { ChannelCommand, DestroyReason, RelayCommand } from '../../src/core/cell/commands.ts'
import { decodeIntroduceAck, decodeIntroEstablished, encodeEstablishIntro, encodeIntroduce, encodeRendezvous1, IntroduceStatus } from '../../src/core/cell/hs-messages.ts'
import { ed25519Generate } from '../../src/core/crypto/ed25519.ts'
import { signEstablishIntro } from '../../src/core/hs/establish-intro.ts'
import { TOR1_ONION_SERVICE_KEY_BYTES, Tor1ClientLayer } from '../../src/core/proto/relaycrypt/tor1.ts'
import { ChannelManager } from '../../src/node/channel-manager.ts'
import { CIRCUIT_QUEUE_CELLS_MAX } from '../../src/node/limits.ts'
import { CircuitWorld, type WorldOptions } from './circuit-world.ts'
import { RawCircuit } from './raw-circuit.ts'

const rng = new SeededRng('hs relay')

/** Three relays; the client goes through the first, the service through the second, and both meet at the third. */
class MeetingWorld extends CircuitWorld {
  readonly #serviceChannels: ChannelManager

  constructor(options: WorldOptions = {}) {
    super(options)
    const runtime = this.sim.addMachine({ name: 'service', addresses: ['10.0.0.2'] }).boot()
    this.#serviceChannels = new ChannelManager(runtime, { credentials: undefined, myAddresses: () => [] })
  }

  clientCircuit(...relays: number[]): RawCircuit {
    return RawCircuit.build(this, this.client.channels, rng, relays.map((index) => this.relay(index).hop))
  }

  serviceCircuit(...relays: number[]): RawCircuit {
    return RawCircuit.build(this, this.#serviceChannels, rng, relays.map((index) => this.relay(index).hop))
  }

  /** Both circuits, joined at the third relay, with the layer that client and service share. */
  meet(client = this.clientCircuit(0, 2), service = this.serviceCircuit(1, 2)): { client: RawCircuit; service: RawCircuit } {
    const cookie = rng.bytes(20)
    client.send(RelayCommand.ESTABLISH_RENDEZVOUS, cookie)
    this.until('RENDEZVOUS_ESTABLISHED', () => client.messages(RelayCommand.RENDEZVOUS_ESTABLISHED).length === 1)
    const handshake = rng.bytes(64)
    service.send(RelayCommand.RENDEZVOUS1, encodeRendezvous1({ cookie, handshake }))
    this.until('RENDEZVOUS2', () => client.messages(RelayCommand.RENDEZVOUS2).length === 1)
    expect(client.messages(RelayCommand.RENDEZVOUS2)).toEqual([handshake])
    const keys = rng.bytes(TOR1_ONION_SERVICE_KEY_BYTES)
    client.addLayer(new Tor1ClientLayer(keys))
    service.addLayer(new Tor1ClientLayer(keys, true))
    return { client, service }
  }

  /** Circuits at each relay. */
  get circuitCounts(): number[] {
    return this.relays.map((relay) => relay.circuits.size)
  }
}

describe('a rendezvous', () => {
  test('carries batches both ways, and the relay that joins sees only its own layers', () => {
    const world = new MeetingWorld()
    const { client, service } = world.meet()
    const there = Array.from({ length: 40 }, () => rng.bytes(400))
    const back = Array.from({ length: 40 }, () => rng.bytes(300))
    client.sendAll(there.map((data) => ({ hop: client.lastHop, command: RelayCommand.DATA, data })))
    service.sendAll(back.map((data) => ({ hop: service.lastHop, command: RelayCommand.DATA, data })))
    world.until('all of it', () => client.messages(RelayCommand.DATA).length === 40 && service.messages(RelayCommand.DATA).length === 40)
    expect(service.messages(RelayCommand.DATA)).toEqual(there)
    expect(client.messages(RelayCommand.DATA)).toEqual(back)
    expect(new Set([...client.received, ...service.received].filter(({ message }) => message.command === RelayCommand.DATA).map(({ hop }) => hop))).toEqual(new Set([2]))
  })

  test('is shown as a circuit that goes on where it was joined', () => {
    const world = new MeetingWorld()
    world.meet()
    const [one, other] = world.relay(2).circuits.inspect()
    expect(one?.next?.fingerprint).toBe(other?.previous?.fingerprint)
    expect(other?.next?.fingerprint).toBe(one?.previous?.fingerprint)
  })

  test('takes cells that came in one batch with RENDEZVOUS1', () => {
    const world = new MeetingWorld()
    const client = world.clientCircuit(0, 2)
    const service = world.serviceCircuit(1, 2)
    const cookie = rng.bytes(20)
    client.send(RelayCommand.ESTABLISH_RENDEZVOUS, cookie)
    world.until('RENDEZVOUS_ESTABLISHED', () => client.messages(RelayCommand.RENDEZVOUS_ESTABLISHED).length === 1)
    const keys = rng.bytes(TOR1_ONION_SERVICE_KEY_BYTES)
    client.addLayer(new Tor1ClientLayer(keys))
    const atRelay = service.lastHop
    service.addLayer(new Tor1ClientLayer(keys, true))
    service.sendAll([
      { hop: atRelay, command: RelayCommand.RENDEZVOUS1, data: encodeRendezvous1({ cookie, handshake: rng.bytes(64) }) },
      { hop: service.lastHop, command: RelayCommand.DATA, data: rng.bytes(10) },
    ])
    world.until('both messages', () => client.messages(RelayCommand.DATA).length === 1)
    expect(client.received.map(({ message }) => message.command)).toEqual([RelayCommand.EXTENDED2, RelayCommand.RENDEZVOUS_ESTABLISHED, RelayCommand.RENDEZVOUS2, RelayCommand.DATA])
  })

  test('keeps what a slow link does not take, whole and in order', () => {
    const world = new MeetingWorld()
    const { client, service } = world.meet()
    world.sim.setLinkFault('relay2', 'relay0', { kind: 'slow', bytesPerSecond: 1_000_000 })
    const sent = Array.from({ length: 6000 }, (_, index) => new Writer(4).u32(index).finish())
    service.sendAll(sent.map((data) => ({ hop: service.lastHop, command: RelayCommand.DATA, data })))
    let most = 0
    world.until('all of it', () => {
      most = Math.max(most, ...world.relay(2).circuits.inspect().map((circuit) => circuit.queuedCells))
      return client.messages(RelayCommand.DATA).length === sent.length
    })
    expect(most).toBeGreaterThan(1000)
    expect(client.messages(RelayCommand.DATA)).toEqual(sent)
  })

  test('ends for both when one sends more than may wait for the other', () => {
    const world = new MeetingWorld()
    const { client, service } = world.meet()
    world.sim.setLinkFault('relay2', 'relay0', { kind: 'slow', bytesPerSecond: 100 })
    // A tenth of what may wait.
    const cells = Array.from({ length: CIRCUIT_QUEUE_CELLS_MAX / 10 }, () => ({ hop: service.lastHop, command: RelayCommand.DATA, data: new Uint8Array(0) }))
    for (let i = 0; i < 11 && service.destroyed === undefined; i++) {
      service.sendAll(cells)
      world.sim.runFor(seconds(1))
    }
    expect(service.destroyed).toBeDefined()
    world.sim.setLinkFault('relay2', 'relay0', { kind: 'none' })
    world.until('nothing is left', () => client.destroyed !== undefined && world.circuitCounts.every((count) => count === 0), seconds(600))
  })

  test('ends for both when one of them goes', () => {
    for (const leaves of ['client', 'service'] as const) {
      const world = new MeetingWorld()
      const { client, service } = world.meet()
      const [leaving, left] = leaves === 'client' ? [client, service] : [service, client]
      leaving.close(DestroyReason.NONE)
      world.until('the other is told', () => left.destroyed !== undefined)
      expect(left.destroyed).toBe(DestroyReason.DESTROYED)
      world.until('nothing is left', () => world.circuitCounts.every((count) => count === 0))
    }
  })

  test('ends for both when a relay on the way crashes', () => {
    const world = new MeetingWorld()
    const { client } = world.meet()
    world.sim.machine('relay1').crash()
    world.until('the client is told', () => client.destroyed !== undefined)
    world.until('nothing is left', () => [0, 2].every((index) => world.relay(index).circuits.size === 0))
  })

  test('cannot be extended from where it was joined', () => {
    const world = new MeetingWorld()
    const { client, service } = world.meet()
    client.sendAll([{ hop: 1, command: RelayCommand.EXTEND2, data: new Uint8Array(100) }], ChannelCommand.RELAY_EARLY)
    world.until('both are told', () => client.destroyed !== undefined && service.destroyed !== undefined)
  })

  test('ends for the service when the client truncates its circuit', () => {
    const world = new MeetingWorld()
    const { client, service } = world.meet()
    client.send(RelayCommand.TRUNCATE, Uint8Array.of(0), 1)
    world.until('both are told', () => service.destroyed !== undefined && client.messages(RelayCommand.TRUNCATED).length === 1)
    expect(client.destroyed).toBeUndefined()
  })

  test('is refused with a cookie that nobody waits for', () => {
    const world = new MeetingWorld()
    const service = world.serviceCircuit(1, 2)
    service.send(RelayCommand.RENDEZVOUS1, encodeRendezvous1({ cookie: rng.bytes(20), handshake: rng.bytes(64) }))
    world.until('the service is told', () => service.destroyed !== undefined)
  })

  test('with a client of one hop is refused in silence where that is wanted', () => {
    const world = new MeetingWorld({ refusesSingleHopRendezvous: true })
    const client = world.clientCircuit(2)
    client.send(RelayCommand.ESTABLISH_RENDEZVOUS, rng.bytes(20))
    world.sim.runFor(seconds(10))
    expect(client.received).toEqual([])
    expect(client.destroyed).toBeUndefined()
  })

  test('works with one hop on either side where it is not', () => {
    const world = new MeetingWorld()
    const { client, service } = world.meet(world.clientCircuit(2), world.serviceCircuit(2))
    client.send(RelayCommand.DATA, rng.bytes(5))
    world.until('the service has it', () => service.messages(RelayCommand.DATA).length === 1)
  })
})

describe('an introduction', () => {
  const authKey = ed25519Generate(rng)
  const establish = (world: MeetingWorld): RawCircuit => {
    const service = world.serviceCircuit(1, 2)
    service.send(RelayCommand.ESTABLISH_INTRO, encodeEstablishIntro(signEstablishIntro(authKey, service.nonce)))
    world.until('INTRO_ESTABLISHED', () => service.messages(RelayCommand.INTRO_ESTABLISHED).length === 1)
    expect(service.messages(RelayCommand.INTRO_ESTABLISHED).map(decodeIntroEstablished)).toEqual([{ extensions: [] }])
    return service
  }
  const introduction = encodeIntroduce({ authKey: authKey.publicKey, extensions: [], encrypted: rng.bytes(240) })

  test('reaches the service, and the client is told', () => {
    const world = new MeetingWorld()
    const service = establish(world)
    const client = world.clientCircuit(0, 2)
    client.send(RelayCommand.INTRODUCE1, introduction)
    world.until('INTRODUCE2', () => service.messages(RelayCommand.INTRODUCE2).length === 1)
    expect(service.messages(RelayCommand.INTRODUCE2)).toEqual([introduction])
    world.until('INTRODUCE_ACK', () => client.messages(RelayCommand.INTRODUCE_ACK).length === 1)
    expect(client.messages(RelayCommand.INTRODUCE_ACK).map(decodeIntroduceAck)).toEqual([{ status: IntroduceStatus.SUCCESS, extensions: [] }])
  })

  test('to a service that has gone is answered so', () => {
    const world = new MeetingWorld()
    establish(world).close(DestroyReason.NONE)
    world.until('it is gone', () => world.circuitCounts.every((count) => count === 0))
    const client = world.clientCircuit(0, 2)
    client.send(RelayCommand.INTRODUCE1, introduction)
    world.until('INTRODUCE_ACK', () => client.messages(RelayCommand.INTRODUCE_ACK).length === 1)
    expect(client.messages(RelayCommand.INTRODUCE_ACK).map(decodeIntroduceAck)).toEqual([{ status: IntroduceStatus.UNKNOWN_ID, extensions: [] }])
  })

  test('comes through several hops, and once', () => {
    const world = new MeetingWorld()
    establish(world)
    const direct = world.clientCircuit(2)
    direct.send(RelayCommand.INTRODUCE1, introduction)
    world.until('it is destroyed', () => direct.destroyed !== undefined)
    const twice = world.clientCircuit(0, 2)
    twice.send(RelayCommand.INTRODUCE1, introduction)
    twice.send(RelayCommand.INTRODUCE1, introduction)
    world.until('it is destroyed', () => twice.destroyed !== undefined)
    expect(twice.messages(RelayCommand.INTRODUCE_ACK)).toHaveLength(1)
  })

  test('point is made for the circuit it was asked on', () => {
    const world = new MeetingWorld()
    const service = world.serviceCircuit(1, 2)
    service.send(RelayCommand.ESTABLISH_INTRO, encodeEstablishIntro(signEstablishIntro(authKey, rng.bytes(20))))
    world.until('it is destroyed', () => service.destroyed !== undefined)
  })
})
