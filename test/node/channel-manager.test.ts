/** Links between nodes on the simulated network: dialling, finding, sharing, closing. */

import { describe, expect, test } from 'vitest'
import { must } from '../../src/core/base/assert.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { minutes, seconds, type DurationMs } from '../../src/core/base/time.ts'
import { fixedCell, relayBatch, type Cell, type RelayCellBatch } from '../../src/core/cell/cell.ts'
import { decodeDestroy } from '../../src/core/cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason } from '../../src/core/cell/commands.ts'
import { encodePaddingNegotiate } from '../../src/core/cell/link-messages.ts'
import type { LinkPaddingRules } from '../../src/core/proto/channel/link-padding.ts'
import { CELL_BODY_BYTES } from '../../src/core/cell/limits.ts'
import { ChannelManager } from '../../src/node/channel-manager.ts'
import type { Channel, ChannelClosed, ChannelTarget, CircuitEndpoint } from '../../src/node/channel.ts'
import { linkPaddingRules } from '../../src/node/link-padding-rules.ts'
import { CHANNEL_IDLE_MIN, CIRCUIT_QUEUE_CELLS_MAX, CIRCUITS_PER_CHANNEL_MAX, LINK_BUFFER_BYTES_MAX } from '../../src/node/limits.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import type { LinkModel } from '../../src/sim/link-model.ts'
import type { SimMachine } from '../../src/sim/sim-machine.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { testRelay, type TestRelay } from '../support/relay-credentials.ts'

const PORT = 9001

interface Node {
  readonly machine: SimMachine
  readonly runtime: Runtime
  readonly channels: ChannelManager
  readonly relay: TestRelay | undefined
  readonly address: string
  readonly opened: Channel[]
  readonly created: { channel: Channel; cell: Cell }[]
}

class World {
  readonly sim: Simulation
  readonly #padding: LinkPaddingRules | undefined
  readonly #keepalive: DurationMs | undefined
  #hosts = 0

  constructor(links?: LinkModel, padding?: LinkPaddingRules, keepalive?: DurationMs) {
    this.#padding = padding
    this.#keepalive = keepalive
    this.sim = new Simulation({ seed: 'channels', ...(links === undefined ? {} : { links }) })
  }

  relay(name: string, takesCircuits = true): Node {
    return this.#node(name, testRelay(name, this.sim.wallNow()), takesCircuits)
  }

  client(choice: LinkPaddingRules['choice'] = 'auto'): Node {
    return this.#node('client', undefined, false, choice)
  }

  #node(name: string, relay: TestRelay | undefined, takesCircuits: boolean, choice: LinkPaddingRules['choice'] = 'auto'): Node {
    const padding = this.#padding
    const keepalive = this.#keepalive
    const address = `10.0.0.${++this.#hosts}`
    const machine = this.sim.addMachine({ name, addresses: [address] })
    const runtime = machine.boot()
    const opened: Channel[] = []
    const created: { channel: Channel; cell: Cell }[] = []
    const channels = new ChannelManager(runtime, {
      credentials: relay === undefined ? undefined : () => relay.credentials,
      myAddresses: () => (relay === undefined ? [] : [address]),
      onChannelOpen: (channel) => opened.push(channel),
      ...(padding === undefined ? {} : { linkPadding: () => ({ ...padding, choice }) }),
      ...(keepalive === undefined ? {} : { keepalivePeriod: () => keepalive }),
      ...(takesCircuits ? { onCreate: (channel: Channel, cell: Cell) => void created.push({ channel, cell }) } : {}),
    })
    if (relay !== undefined) channels.listen({ host: address, port: PORT }, { onListening: () => undefined, onError: (error) => { throw error } })
    return { machine, runtime, channels, relay, address, opened, created }
  }

  until(what: string, condition: () => boolean, limit: DurationMs = seconds(100)): void {
    if (!this.sim.runUntil(condition, limit)) throw new Error(`waited in vain for: ${what}`)
  }

  get(from: Node, to: ChannelTarget): Channel | { error: RelishError; closed: ChannelClosed | undefined } {
    let outcome: Channel | { error: RelishError; closed: ChannelClosed | undefined } | undefined
    from.channels.get(to, { onOpen: (channel) => (outcome = channel), onFailed: (error, closed) => (outcome = { error, closed }) })
    this.until('a channel or a failure', () => outcome !== undefined)
    return must(outcome, 'there is an outcome')
  }

  open(from: Node, to: Node): Channel {
    const outcome = this.get(from, targetOf(to))
    if ('error' in outcome) throw outcome.error
    // The side that dialled is open first.
    this.until('the other side to be open', () => to.opened.length > 0)
    return outcome
  }
}

function targetOf(node: Node, host = node.address): ChannelTarget {
  const { keys } = must(node.relay, 'the node is a relay')
  return { rsaIdentity: keys.rsaFingerprint, ed25519Identity: keys.ed25519Identity, addresses: [{ host, port: PORT }] }
}

/** Notes all that happens to a circuit. */
class Endpoint implements CircuitEndpoint {
  readonly cells: Cell[] = []
  readonly batches: RelayCellBatch[] = []
  closed: ChannelClosed | undefined
  writable = 0
  get received(): number {
    return this.batches.reduce((sum, batch) => sum + batch.count, 0)
  }
  handleCell(cell: Cell): void {
    this.cells.push(cell)
  }
  handleRelayBatch(batch: RelayCellBatch): void {
    this.batches.push(batch)
  }
  handleChannelClosed(closed: ChannelClosed): void {
    this.closed = closed
  }
  handleWritable(): void {
    this.writable++
  }
}

const createFast = (id: number): Cell => fixedCell(id, ChannelCommand.CREATE_FAST, new Uint8Array(20))
const cells = (id: number, count: number): RelayCellBatch => relayBatch(id, new Uint8Array(count * CELL_BODY_BYTES).fill(id & 255))

/** A circuit between two nodes that have a channel; nothing but endpoints at both ends. */
function circuit(world: World, from: Node, to: Node, channel: Channel = world.open(from, to)): { id: number; channel: Channel; near: Endpoint; far: Endpoint; farChannel: Channel } {
  const id = must(channel.allocateCircuitId(), 'the channel has room')
  const near = new Endpoint()
  channel.attach(id, near)
  channel.sendCell(createFast(id))
  world.until('the circuit to arrive', () => to.created.some((each) => each.cell.circuitId === id))
  const farChannel = must(to.created.find((each) => each.cell.circuitId === id), 'it is there').channel
  const far = new Endpoint()
  farChannel.attach(id, far)
  return { id, channel, near, far, farChannel }
}

describe('getting a channel', () => {
  test('a relay is dialled once for all who ask, and its channel is used again', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const got: Channel[] = []
    for (let i = 0; i < 3; i++) alice.channels.get(targetOf(bob), { onOpen: (channel) => got.push(channel), onFailed: (error) => { throw error } })
    world.until('three answers', () => got.length === 3)
    expect(new Set(got).size).toBe(1)
    expect(world.open(alice, bob)).toBe(got[0])
    expect(alice.channels.find(targetOf(bob))).toBe(got[0])
    expect(bob.opened).toHaveLength(1)
    expect(got[0]?.peer).toMatchObject({ initiator: true, authenticated: true, address: { host: bob.address, port: PORT } })
    expect(bob.opened[0]?.peer).toMatchObject({ initiator: false, authenticated: true, rsaIdentity: alice.relay?.keys.rsaFingerprint })
  })

  test('a relay that dialled us is not dialled in turn', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    world.open(alice, bob)
    expect(world.open(bob, alice).peer.initiator).toBe(false)
    expect(alice.opened).toHaveLength(1)
  })

  test('a client proves nothing, and nobody finds its channel', () => {
    const world = new World()
    const [client, bob] = [world.client(), world.relay('bob')]
    world.open(client, bob)
    expect(bob.opened[0]?.peer).toEqual({ address: expect.objectContaining({ host: client.address }), initiator: false, authenticated: false })
  })

  test('an open channel is used for another address when it is canonical', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const channel = world.open(alice, bob)
    expect(alice.channels.find(targetOf(bob, '10.9.9.9'))).toBe(channel)
    const stranger = testRelay('stranger', world.sim.wallNow()).keys
    expect(alice.channels.find({ ...targetOf(bob), ed25519Identity: stranger.ed25519Identity })).toBeUndefined()
    expect(alice.channels.find({ ...targetOf(bob), rsaIdentity: stranger.rsaFingerprint })).toBeUndefined()
  })

  test('addresses are tried one after the other', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const addresses = [{ host: bob.address, port: 1 }, { host: bob.address, port: PORT }]
    expect(world.get(alice, { ...targetOf(bob), addresses })).toMatchObject({ isOpen: true })
  })

  test('failures are told, with the reason', () => {
    const world = new World()
    const [alice, bob, carol] = [world.relay('alice'), world.relay('bob'), world.relay('carol')]
    expect(world.get(alice, { ...targetOf(bob), addresses: [{ host: bob.address, port: 1 }] })).toMatchObject({ error: { kind: 'refused' } })
    expect(world.get(alice, { ...targetOf(bob), addresses: [] })).toMatchObject({ error: { kind: 'unavailable' } })
    expect(world.get(alice, { ...targetOf(bob), addresses: targetOf(carol).addresses })).toMatchObject({ closed: { reason: 'identity' } })
    expect(alice.channels.inspect()).toEqual([])
  })

  test('who cancels is not called', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    let called = 0
    const callbacks = { onOpen: () => void called++, onFailed: () => void called++ }
    alice.channels.get(targetOf(bob), callbacks).cancel()
    world.until('the channel to open anyway', () => alice.opened.length === 1)
    alice.channels.get(targetOf(bob), callbacks).cancel()
    world.sim.runUntil(() => false, seconds(1))
    expect(called).toBe(0)
  })

  test('a peer that says nothing is given up', () => {
    const world = new World()
    const alice = world.relay('alice')
    const mute = world.sim.addMachine({ name: 'mute', addresses: ['10.1.1.1'] }).boot()
    const { credentials, keys } = testRelay('mute', world.sim.wallNow())
    mute.network.listenSecure({ host: '10.1.1.1', port: PORT }, () => credentials.tls, {
      onListening: () => undefined,
      onError: (error) => { throw error },
      onConnection: (stream) => stream.start({ onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined }),
    })
    const target = { rsaIdentity: keys.rsaFingerprint, addresses: [{ host: '10.1.1.1', port: PORT }] }
    expect(world.get(alice, target)).toMatchObject({ closed: { reason: 'timeout' } })
  })
})

describe('testing whether a relay can be reached', () => {
  const reach = (world: World, from: Node, target: ChannelTarget): boolean => {
    let reached: boolean | undefined
    from.channels.test(target, (outcome) => { reached = outcome })
    world.until('an outcome', () => reached !== undefined)
    return must(reached, 'there is an outcome')
  }

  test('the link that shows it stays, and serves circuits of both ends', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    expect(reach(world, alice, targetOf(bob))).toBe(true)
    world.until('the other side to be open', () => bob.opened.length > 0)
    expect(world.open(alice, bob).peer.initiator).toBe(true)
    expect(world.open(bob, alice).peer).toMatchObject({ initiator: false, authenticated: true })
    expect([alice.opened.length, bob.opened.length]).toEqual([1, 1])
  })

  test('a link that is there shows nothing, and stays the only one', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const channel = world.open(bob, alice)
    expect(reach(world, alice, targetOf(bob))).toBe(true)
    expect(alice.opened.map((one) => one.isOpen)).toEqual([true, false])
    world.sim.runFor(seconds(1))
    expect(channel.isOpen).toBe(true)
    expect(bob.channels.inspect()).toHaveLength(1)
    bob.channels.closeAll()
    world.sim.runFor(seconds(1))
    expect(reach(world, alice, targetOf(bob))).toBe(false)
  })

  test('somebody else does not count, and who gives up is not told', () => {
    const world = new World()
    const [alice, bob, carol] = [world.relay('alice'), world.relay('bob'), world.relay('carol')]
    expect(reach(world, alice, targetOf(bob, carol.address))).toBe(false)
    const told: boolean[] = []
    alice.channels.test(targetOf(bob), (outcome) => told.push(outcome)).cancel()
    const late = alice.channels.test(targetOf(carol), (outcome) => told.push(outcome))
    world.until('a link', () => carol.channels.inspect().length > 0)
    late.cancel()
    world.sim.runFor(minutes(1))
    expect(told).toEqual([])
    expect([alice, bob, carol].map((node) => node.channels.inspect().length)).toEqual([0, 0, 0])
  })
})

describe('circuits on a channel', () => {
  test('cells reach the other end of their circuit only', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const one = circuit(world, alice, bob)
    const two = circuit(world, alice, bob, one.channel)
    one.channel.sendRelayBatch(cells(one.id, 3))
    two.farChannel.sendRelayBatch(cells(two.id, 2))
    world.until('both to arrive', () => one.far.received === 3 && two.near.received === 2)
    expect([one.near.received, two.far.received]).toEqual([0, 0])
    expect(one.channel.circuitCount).toBe(2)
  })

  test('DESTROY ends a circuit, and what follows is dropped', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { id, channel, far, farChannel, near } = circuit(world, alice, bob)
    channel.closeCircuit(id, DestroyReason.FINISHED)
    channel.closeCircuit(id, DestroyReason.FINISHED)
    world.until('DESTROY to arrive', () => far.cells.length > 0)
    expect(far.cells.map((cell) => decodeDestroy(cell.body).reason)).toEqual([DestroyReason.FINISHED])
    expect(farChannel.circuitCount).toBe(0)
    farChannel.sendRelayBatch(cells(id, 1))
    farChannel.detach(id)
    world.sim.runUntil(() => false, seconds(1))
    expect(near.received).toBe(0)
  })

  test('circuits with ids that are ours, and circuits towards clients, are refused', () => {
    const world = new World()
    const [client, bob] = [world.client(), world.relay('bob')]
    const channel = world.open(client, bob)
    const near = new Endpoint()
    const wrong = 0x1234
    channel.attach(wrong, near)
    channel.sendCell(createFast(wrong))
    world.until('the refusal', () => near.cells.length > 0)
    expect(decodeDestroy(must(near.cells[0], 'it is there').body).reason).toBe(DestroyReason.PROTOCOL)
    expect(bob.created).toEqual([])

    const towardsClient = must(bob.opened[0], 'the channel is open')
    const far = new Endpoint()
    const id = must(towardsClient.allocateCircuitId(), 'the channel has room')
    towardsClient.attach(id, far)
    towardsClient.sendCell(createFast(id))
    world.until('the refusal', () => far.cells.length > 0)
    expect(decodeDestroy(must(far.cells[0], 'it is there').body).reason).toBe(DestroyReason.PROTOCOL)
  })

  test('a CREATE for an id in use is nobody’s', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { id, channel, far } = circuit(world, alice, bob)
    channel.sendCell(createFast(id))
    channel.sendRelayBatch(cells(id, 1))
    world.until('the cell after it', () => far.received === 1)
    expect(bob.created).toHaveLength(1)
  })
})

describe('a busy link', () => {
  /** 2 MB a second, so that sending outruns it. */
  const slow: LinkModel = () => ({ latencyMs: 5, jitterMs: 0, bytesPerSecond: 2_000_000, dialLoss: 0 })

  test('circuits take turns, and those with much waiting are told when to go on', () => {
    const world = new World(slow)
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const loud = circuit(world, alice, bob)
    const quiet = circuit(world, alice, bob, loud.channel)
    let sent = 0
    while (loud.channel.sendRelayBatch(cells(loud.id, 31))) sent += 31
    for (let i = 0; i < 200; i++) loud.channel.sendRelayBatch(cells(loud.id, 31))
    expect(loud.channel.isBlocked()).toBe(true)
    // A busy link does not yet stop a circuit that has little waiting.
    expect(quiet.channel.sendRelayBatch(cells(quiet.id, 31))).toBe(true)
    world.until('the quiet circuit', () => quiet.far.received === 31)
    // Were it not for turns, all of the loud circuit's cells would have come first.
    expect(loud.far.received).toBeLessThan(sent + 31 + 100 * 31)
    world.until('the rest', () => loud.far.received === sent + 31 + 200 * 31)
    expect([loud.near.writable, quiet.near.writable]).toEqual([1, 0])
    expect(loud.channel.queuedCells(loud.id)).toBe(0)
    expect(Buffer.concat(loud.far.batches.map((batch) => batch.payloads)).every((byte) => byte === (loud.id & 255))).toBe(true)
  })

  test('a circuit that goes on regardless is closed at its limit, the channel stays', () => {
    const world = new World(slow)
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { id, channel, near, far } = circuit(world, alice, bob)
    const batch = cells(id, 128)
    for (let i = 0; i * 128 < CIRCUIT_QUEUE_CELLS_MAX + 4000; i++) channel.sendRelayBatch(batch)
    expect(channel.circuitCount).toBe(0)
    expect(near.cells).toEqual([])
    world.until('both ends to know', () => near.cells.length > 0 && far.cells.length > 0)
    expect([near, far].map((end) => decodeDestroy(must(end.cells[0], 'it is there').body).reason)).toEqual([DestroyReason.RESOURCELIMIT, DestroyReason.RESOURCELIMIT])
    expect(channel.isOpen).toBe(true)
  })
})

describe('limits', () => {
  test('a channel holds so many circuits and no more', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { channel, farChannel, near } = circuit(world, alice, bob)
    for (let id = 1; farChannel.circuitCount < CIRCUITS_PER_CHANNEL_MAX; id++) farChannel.attach(id, near)
    expect(farChannel.allocateCircuitId()).toBeUndefined()
    const late = new Endpoint()
    const id = must(channel.allocateCircuitId(), 'this end has room')
    channel.attach(id, late)
    channel.sendCell(createFast(id))
    world.until('the refusal', () => late.cells.length > 0)
    expect(decodeDestroy(must(late.cells[0], 'it is there').body).reason).toBe(DestroyReason.RESOURCELIMIT)
  })

  test('a peer that does not read what it makes us send is hung up on', () => {
    const world = new World(() => ({ latencyMs: 5, jitterMs: 0, bytesPerSecond: 1_000_000, dialLoss: 0 }))
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { id, channel, near } = circuit(world, alice, bob)
    let sent = 0
    while (channel.isOpen) {
      channel.sendCell(createFast(id))
      sent += 514
    }
    expect(sent).toBeGreaterThan(LINK_BUFFER_BYTES_MAX)
    expect(near.closed?.reason).toBe('limit')
  })

  test('who closes everything as a link opens does not hurt those who waited with it', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const outcomes: string[] = []
    alice.channels.get(targetOf(bob), { onOpen: () => alice.channels.closeAll(), onFailed: () => outcomes.push('first failed') })
    alice.channels.get(targetOf(bob), { onOpen: () => outcomes.push('second open'), onFailed: () => outcomes.push('second failed') })
    world.until('both to be answered', () => outcomes.length > 0)
    expect(outcomes).toEqual(['second failed'])
  })
})

describe('the end of a channel', () => {
  test('circuits are told, and the peer goes, too', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { near, far, channel } = circuit(world, alice, bob)
    alice.channels.closeAll()
    expect(near.closed).toEqual({ reason: 'shutdown', error: undefined })
    expect(channel.isOpen).toBe(false)
    world.until('the peer to notice', () => far.closed !== undefined)
    expect(bob.channels.inspect()).toEqual([])
    expect(bob.channels.find(targetOf(alice))).toBeUndefined()
    // What comes too late does no harm.
    channel.sendRelayBatch(cells(1, 1))
    channel.sendCell(createFast(1))
  })

  test('a machine that vanishes takes its channels with it', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { near } = circuit(world, alice, bob)
    bob.machine.crash()
    world.until('the circuit to be told', () => near.closed !== undefined)
    expect(near.closed?.reason).toMatch(/network|end/)
  })

  test('a channel that nobody uses is closed after a while', () => {
    const world = new World()
    const [alice, bob] = [world.relay('alice'), world.relay('bob')]
    const { id, channel } = circuit(world, alice, bob)
    world.sim.runUntil(() => false, minutes(20))
    expect(channel.isOpen).toBe(true)
    const since = world.sim.now()
    channel.closeCircuit(id, DestroyReason.NONE)
    world.until('the channel to be closed', () => !channel.isOpen, minutes(10))
    const idle = world.sim.now() - since
    expect(idle).toBeGreaterThanOrEqual(CHANNEL_IDLE_MIN)
    expect(idle).toBeLessThanOrEqual(2 * CHANNEL_IDLE_MIN)
  })
})

describe('link padding', () => {
  const rules = linkPaddingRules(undefined, { ConnectionPadding: 'auto', ReducedConnectionPadding: false })
  type Usage = 'nothing' | 'circuits' | 'traffic'

  /** Cells each side wrote in ten minutes in which circuits said nothing, after some use of the link. */
  function idleCells(world: World, from: Node, to: Node, usage: Usage = 'circuits', prepare: (channel: Channel) => void = () => undefined): [number, number] {
    const { id, channel } = circuit(world, from, to)
    if (usage !== 'nothing') channel.sendRelayBatch(relayBatch(id, new Uint8Array(CELL_BODY_BYTES), ChannelCommand.RELAY_EARLY))
    if (usage === 'traffic') channel.sendRelayBatch(cells(id, 1))
    prepare(channel)
    world.sim.runUntil(() => false, seconds(1))
    const written = (node: Node): number => must(node.channels.inspect()[0], 'it has one channel').bytesWritten
    const before = [written(from), written(to)]
    world.sim.runFor(minutes(10))
    const sent = [written(from) - (before[0] ?? 0), written(to) - (before[1] ?? 0)]
    for (const bytes of sent) expect(bytes % 514).toBe(0)
    return [(sent[0] ?? 0) / 514, (sent[1] ?? 0) / 514]
  }

  /** One cell every 6.8 s at most, the mean of padding-spec §2.3, less what the other end's cells do not put off. */
  const isPadded = (sent: number): boolean => sent > 60 && sent < 120

  test('links with clients that carry circuits are padded both ways', () => {
    for (const usage of ['circuits', 'traffic'] as const) {
      const world = new World(undefined, rules)
      expect(idleCells(world, world.client(), world.relay('bob'), usage).map(isPadded)).toEqual([true, true])
    }
  })

  test('links that carry directory requests only are not', () => {
    const world = new World(undefined, rules)
    expect(idleCells(world, world.client(), world.relay('bob'), 'nothing')).toEqual([0, 0])
  })

  test('where the network says so, only links that carried data are', () => {
    const late = { ...rules, padsBeforeUsage: false }
    for (const [usage, padded] of [['circuits', false], ['traffic', true]] as const) {
      const world = new World(undefined, late)
      expect(idleCells(world, world.client(), world.relay('bob'), usage).map(isPadded)).toEqual([padded, padded])
    }
  })

  test('links between relays are where the network says so', () => {
    for (const padsRelays of [false, true]) {
      const world = new World(undefined, { ...rules, padsRelays })
      expect(idleCells(world, world.relay('alice'), world.relay('bob')).map(isPadded)).toEqual([padsRelays, padsRelays])
    }
  })

  test('is off where nobody asks for it, and where the network turns it off', () => {
    const off = new World()
    expect(idleCells(off, off.client(), off.relay('bob'))).toEqual([0, 0])
    const zero = new World(undefined, { ...rules, range: { lowMs: 0, highMs: 0 } })
    expect(idleCells(zero, zero.client(), zero.relay('bob'))).toEqual([0, 0])
  })

  test('a client that wants none says stop; one that wants less pads for both', () => {
    const none = new World(undefined, rules)
    expect(idleCells(none, none.client('never'), none.relay('bob'))).toEqual([0, 0])
    const less = new World(undefined, rules)
    const [ours, theirs] = idleCells(less, less.client('reduced'), less.relay('bob'))
    // padding-spec §2.5: every 12.3 s.
    expect(ours).toBeGreaterThan(40)
    expect(ours).toBeLessThan(60)
    expect(theirs).toBe(0)
  })

  test('a client may say stop at any time', () => {
    const world = new World(undefined, rules)
    const stop = fixedCell(0, ChannelCommand.PADDING_NEGOTIATE, encodePaddingNegotiate({ command: 'stop' }))
    const [ours, theirs] = idleCells(world, world.client(), world.relay('bob'), 'circuits', (channel) => channel.sendCell(stop))
    expect([isPadded(ours), theirs]).toEqual([true, 0])
  })

  test('every link that is idle for long is kept alive', () => {
    const world = new World(undefined, undefined, seconds(110))
    expect(idleCells(world, world.relay('alice'), world.relay('bob'))).toEqual([5, 5])
  })
})

test('inspection says what there is', () => {
  const world = new World()
  const [alice, bob] = [world.relay('alice'), world.relay('bob')]
  circuit(world, alice, bob)
  expect(alice.channels.inspect()).toEqual([
    expect.objectContaining({ state: 'open', initiator: true, linkProtocol: 5, circuits: 1, queuedCells: 0, fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/) }),
  ])
})
