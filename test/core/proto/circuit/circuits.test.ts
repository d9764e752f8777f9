import { describe, expect, it } from 'vitest'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs } from '../../../../src/core/base/time.ts'
import { encodeDestroy, encodeExtend2 } from '../../../../src/core/cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason, EndReason, HandshakeType, RelayCommand } from '../../../../src/core/cell/commands.ts'
import { RELAY_BATCH_CELLS_MAX } from '../../../../src/core/cell/limits.ts'
import type { EdgeOutput } from '../../../../src/core/proto/stream/edge.ts'
import type { Stream } from '../../../../src/core/proto/stream/stream.ts'
import { cellCount, Chain } from './chain.ts'

const target = { kind: 'connect', host: 'example.com', port: 80, flags: 0 } as const
const kinds = (outputs: readonly { kind: string }[]): string[] => outputs.map((output) => output.kind)

function openStream(chain: Chain): { client: Stream; server: Stream } {
  const last = chain.relays.length - 1
  const client = chain.origin.edge().open(target)
  chain.settle()
  const asked = chain.takeRelayEvents(last).find((output) => output.kind === 'stream-requested')
  if (asked === undefined) throw new Error('no stream was asked for')
  chain.relayCircuit(last).edge.accept(asked.stream)
  chain.settle()
  chain.takeEvents()
  return { client, server: asked.stream }
}

const dataOf = (outputs: readonly { kind: string }[]): Buffer =>
  Buffer.concat(outputs.filter((output): output is Extract<EdgeOutput, { kind: 'stream-data' }> => output.kind === 'stream-data').map((output) => output.chunk))

describe('building', () => {
  for (const [first, others] of [['ntor', 'ntor'], ['fast', 'ntor'], ['ntor-v3', 'ntor-v3'], ['ntor', 'ntor-v3']] as const) {
    it(`makes three hops with ${first}, then ${others}`, () => {
      const chain = new Chain(3).build(first, others)
      expect(chain.events).toEqual([0, 1, 2].map((hop) => ({ kind: 'extended', hop })))
      expect(chain.relays.map((relay) => relay.circuit?.state)).toEqual(['joined', 'joined', 'end'])
    })
  }

  it('extends in RELAY_EARLY cells only', () => {
    const chain = new Chain(4).build()
    const relayed = chain.log.filter((entry) => entry.link === 0 && entry.direction === 'down').map((entry) => entry.cell.command)
    expect(relayed).toEqual([ChannelCommand.CREATE2, ChannelCommand.RELAY_EARLY, ChannelCommand.RELAY_EARLY, ChannelCommand.RELAY_EARLY])
  })

  it('takes the previous onion key, and refuses any other', () => {
    const chain = new Chain(1)
    const { rsaIdentity, onionKeys } = chain.relay(0).keys
    const hop = chain.relay(0).hop()
    chain.origin.extend({ ...hop, keys: { kind: 'ntor', rsaIdentity, onionKey: onionKeys.previous?.publicKey ?? new Uint8Array(32) } })
    chain.settle()
    expect(kinds(chain.events)).toEqual(['extended'])
  })

  it('closes when the relay does not prove its key', () => {
    const chain = new Chain(1)
    chain.origin.extend(chain.relay(0).hop())
    chain.origin.handleCreated(monotonicMs(0), ChannelCommand.CREATED2, new Uint8Array(509).fill(0, 0, 2).fill(64, 1, 2))
    chain.drain()
    expect(chain.events).toMatchObject([{ kind: 'closed', reason: DestroyReason.PROTOCOL, remote: false }])
  })

  it('is refused when the request names zeros, the relay itself, the previous hop or a private address', () => {
    const chain = new Chain(3)
    const self = chain.relay(1).keys
    const previous = chain.relay(0).keys
    const address = { kind: 'address', address: { host: '192.0.2.77', port: 9001 } } as const
    const legacy = (identity: Uint8Array) => ({ kind: 'legacy-identity', identity }) as const
    const bad = [
      [address, legacy(new Uint8Array(20))],
      [address, legacy(self.rsaIdentity)],
      [address, legacy(previous.rsaIdentity)],
      [address, legacy(new SeededRng('x').bytes(20)), { kind: 'ed25519-identity', identity: previous.ed25519Identity } as const],
      [address],
      [legacy(new SeededRng('x').bytes(20))],
    ]
    for (const linkSpecifiers of bad) {
      const each = new Chain(3)
      each.origin.extend(each.relay(0).hop())
      each.settle()
      each.origin.extend(each.relay(1).hop())
      each.settle()
      each.takeEvents()
      // In RELAY_EARLY, as everything that goes beyond the first hop at first.
      each.origin.sendMessage(1, RelayCommand.EXTEND2, encodeExtend2({ linkSpecifiers, handshakeType: HandshakeType.NTOR, handshake: new Uint8Array(84) }))
      each.settle()
      expect(each.takeEvents()).toMatchObject([{ kind: 'closed', remote: true }])
      expect(each.relayCircuit(0).state).toBe('closed')
    }
  })

  it('drops EXTEND2 that does not come in RELAY_EARLY', () => {
    const chain = new Chain(1).build()
    chain.takeEvents()
    chain.origin.sendMessage(0, RelayCommand.EXTEND2, new Uint8Array(100))
    chain.settle()
    expect(chain.events).toEqual([])
    expect(chain.relayCircuit(0).state).toBe('end')
  })
})

describe('a circuit of three hops', () => {
  it('carries streams both ways in batches', () => {
    const chain = new Chain(3).build()
    const { client, server } = openStream(chain)
    const up = new SeededRng('up').bytes(300_000)
    const down = new SeededRng('down').bytes(300_000)
    chain.origin.edge().write(chain.now, client, up)
    chain.relayCircuit(2).edge.write(chain.now, server, down)
    chain.settle()
    expect(dataOf(chain.takeRelayEvents(2)).equals(up)).toBe(true)
    expect(dataOf(chain.takeEvents()).equals(down)).toBe(true)
    const largest = Math.max(...chain.log.filter((entry) => entry.cell.command === ChannelCommand.RELAY).map((entry) => cellCount(entry.cell)))
    expect(largest).toBe(RELAY_BATCH_CELLS_MAX)
  })

  it('spends its RELAY_EARLY budget and never exceeds it', () => {
    const chain = new Chain(3).build()
    const { client } = openStream(chain)
    chain.origin.edge().write(chain.now, client, new Uint8Array(100_000))
    chain.settle()
    const early = chain.log.filter((entry) => entry.link === 2 && entry.cell.command === ChannelCommand.RELAY_EARLY).reduce((sum, entry) => sum + cellCount(entry.cell), 0)
    expect(early).toBeGreaterThan(0)
    expect(early).toBeLessThanOrEqual(8)
    expect(chain.origin.isOpen).toBe(true)
  })

  it('opens streams to a hop in the middle', () => {
    const chain = new Chain(3).build()
    chain.origin.edge(1).open({ kind: 'directory' })
    chain.settle()
    expect(chain.takeRelayEvents(1).at(-1)).toMatchObject({ kind: 'stream-requested', request: { kind: 'directory' } })
    expect(chain.takeRelayEvents(2)).toEqual([])
  })

  it('is destroyed from the client on, with reason DESTROYED behind the first relay', () => {
    const chain = new Chain(3).build()
    openStream(chain)
    chain.origin.close()
    chain.settle()
    expect(chain.relays.map((relay) => relay.circuit?.state)).toEqual(['closed', 'closed', 'closed'])
    const destroys = chain.log.filter((entry) => entry.cell.command === ChannelCommand.DESTROY)
    expect(destroys.map((entry) => [entry.link, entry.direction, entry.cell.body[0]])).toEqual([
      [0, 'down', DestroyReason.NONE],
      [1, 'down', DestroyReason.DESTROYED],
      [2, 'down', DestroyReason.DESTROYED],
    ])
    expect(kinds(chain.takeRelayEvents(2))).toEqual(['stream-ended', 'closed'])
  })

  it('is destroyed from the exit back', () => {
    const chain = new Chain(3).build()
    const { client } = openStream(chain)
    chain.relayCircuit(2).close(DestroyReason.HIBERNATING)
    chain.settle()
    expect(chain.takeEvents()).toMatchObject([
      { kind: 'stream-ended', stream: client, reason: EndReason.DESTROY },
      { kind: 'closed', reason: DestroyReason.DESTROYED, remote: true },
    ])
    expect(chain.relayCircuit(0).state).toBe('closed')
  })

  it('is destroyed both ways when a link breaks in the middle', () => {
    const chain = new Chain(3).build()
    chain.takeEvents()
    chain.relayCircuit(0).handleLinkClosed('next')
    chain.relayCircuit(1).handleLinkClosed('previous')
    chain.settle()
    expect(chain.events).toMatchObject([{ kind: 'closed', reason: DestroyReason.CHANNEL_CLOSED, remote: true }])
    expect(chain.relayCircuit(2).state).toBe('closed')
  })

  it('is cut at a hop by TRUNCATE, and then closed by the client', () => {
    const chain = new Chain(3).build()
    chain.takeEvents()
    chain.origin.sendMessage(1, RelayCommand.TRUNCATE, encodeDestroy({ reason: DestroyReason.REQUESTED }))
    chain.settle()
    expect(chain.relayCircuit(2).state).toBe('closed')
    expect(kinds(chain.takeRelayEvents(1))).toContain('next-released')
    expect(chain.events).toMatchObject([{ kind: 'closed', reason: DestroyReason.REQUESTED, remote: true }])
    expect(chain.relayCircuit(0).state).toBe('closed')
  })

  it('gives up on extending when no link is to be had', () => {
    const chain = new Chain(2)
    chain.relay(0).extends = false
    chain.origin.extend(chain.relay(0).hop())
    chain.settle()
    chain.origin.extend(chain.relay(1).hop())
    chain.settle()
    expect(chain.relayCircuit(0).state).toBe('extending')
    chain.relayCircuit(0).close(DestroyReason.CONNECTFAILED)
    chain.settle()
    expect(chain.events.at(-1)).toMatchObject({ kind: 'closed', reason: DestroyReason.CONNECTFAILED, remote: true })
    expect(chain.log.filter((entry) => entry.link === 1)).toEqual([])
  })
})

describe('breaches of the protocol', () => {
  const closedBy = (breach: (chain: Chain) => void): DestroyReason | undefined => {
    const chain = new Chain(2).build()
    chain.takeEvents()
    breach(chain)
    chain.settle()
    const last = chain.events.at(-1)
    return last?.kind === 'closed' ? last.reason : undefined
  }

  it('nine RELAY_EARLY cells', () => {
    const chain = new Chain(1).build()
    chain.relayCircuit(0).handleForward(chain.now, ChannelCommand.RELAY_EARLY, new Uint8Array(9 * 509))
    chain.settle()
    expect(chain.events.at(-1)).toMatchObject({ kind: 'closed', reason: DestroyReason.PROTOCOL })
  })

  it('RELAY_EARLY towards the client', () => {
    expect(closedBy((chain) => chain.relayCircuit(0).handleBackward(ChannelCommand.RELAY_EARLY, new Uint8Array(509)))).toBe(DestroyReason.PROTOCOL)
    expect(closedBy((chain) => chain.origin.handleRelay(chain.now, ChannelCommand.RELAY_EARLY, new Uint8Array(509)))).toBe(DestroyReason.PROTOCOL)
  })

  it('a cell that nobody recognises, at either end', () => {
    expect(closedBy((chain) => chain.relayCircuit(1).handleForward(chain.now, ChannelCommand.RELAY, new SeededRng('noise').bytes(509)))).toBe(DestroyReason.DESTROYED)
    expect(closedBy((chain) => chain.origin.handleRelay(chain.now, ChannelCommand.RELAY, new SeededRng('noise').bytes(509)))).toBe(DestroyReason.PROTOCOL)
  })

  it('an altered cell', () => {
    expect(
      closedBy((chain) => {
        chain.origin.edge().open(target)
        chain.drain()
        const cell = chain.down[0]?.at(-1)
        if (cell !== undefined) cell.body[100] = (cell.body[100] as number) ^ 1
      }),
    ).toBe(DestroyReason.DESTROYED)
  })

  it('CREATED2 and EXTENDED2 that nobody waits for', () => {
    expect(closedBy((chain) => chain.origin.handleCreated(chain.now, ChannelCommand.CREATED2, new Uint8Array(509)))).toBe(DestroyReason.PROTOCOL)
    expect(closedBy((chain) => chain.relayCircuit(0).handleCreated(ChannelCommand.CREATED2, new Uint8Array(509)))).toBe(DestroyReason.PROTOCOL)
    expect(closedBy((chain) => chain.relayCircuit(1).sendMessage(RelayCommand.EXTENDED2, new Uint8Array(66)))).toBe(DestroyReason.PROTOCOL)
  })

  it('unknown relay commands are passed up, and nothing is closed', () => {
    const chain = new Chain(2).build()
    chain.takeEvents()
    chain.relayCircuit(1).sendMessage(200, Uint8Array.of(1))
    chain.settle()
    expect(chain.events).toMatchObject([{ kind: 'message', hop: 1, message: { command: 200 } }])
  })
})
