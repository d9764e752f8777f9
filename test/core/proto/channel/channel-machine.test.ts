/** Both sides of a link handshake without a connection, and everything that must end it. */

import { describe, expect, test } from 'vitest'
import { must } from '../../../../src/core/base/assert.ts'
import { utf8Encode } from '../../../../src/core/base/encoding.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { durationMs, hours, later, monotonicMs, seconds, wallFromSec } from '../../../../src/core/base/time.ts'
import { fixedCell, isRelayBatch, relayBatch, variableCell, type Cell, type Frame } from '../../../../src/core/cell/cell.ts'
import { ChannelCommand, DestroyReason } from '../../../../src/core/cell/commands.ts'
import { FrameDecoder } from '../../../../src/core/cell/frame-decoder.ts'
import { FrameWriter } from '../../../../src/core/cell/frame-writer.ts'
import { CELL_BODY_BYTES } from '../../../../src/core/cell/limits.ts'
import { encodeAuthChallenge, encodeNetinfo, encodePaddingNegotiate, encodeVersions } from '../../../../src/core/cell/link-messages.ts'
import { sha256 } from '../../../../src/core/crypto/hashes.ts'
import { ChannelMachine } from '../../../../src/core/proto/channel/channel-machine.ts'
import type { ChannelNow, ChannelOptions, ChannelOutput } from '../../../../src/core/proto/channel/channel-types.ts'
import { chooseCircuitId, isPeersCircuitId } from '../../../../src/core/proto/channel/circuit-ids.ts'
import { HANDSHAKE_CELLS_MAX, HANDSHAKE_TIMEOUT } from '../../../../src/core/proto/channel/limits.ts'
import { testRelay } from '../../../support/relay-credentials.ts'

const wall = wallFromSec(1_800_000_000)
const alice = testRelay('alice', wall)
const bob = testRelay('bob', wall)
const carol = testRelay('carol', wall)
const start: ChannelNow = { monotonic: monotonicMs(0), wall }

const exporter = (secret: string) => (length: number, label: string, context: Uint8Array) =>
  sha256(utf8Encode(`${secret} ${label}`), context).subarray(0, length)

const common = (name: string, peerAddress: string): Omit<ChannelOptions, 'role'> => ({
  peerAddress,
  myAddresses: [],
  sendTimestamp: true,
  exportKeyingMaterial: exporter('tls session'),
  rng: new SeededRng(`channel ${name}`),
})

const responderOptions = (changes: Partial<ChannelOptions> = {}): ChannelOptions => ({
  ...common('bob', '10.0.0.1'),
  myAddresses: ['10.0.0.2'],
  role: { kind: 'responder', credentials: bob.credentials },
  ...changes,
})

type InitiatorRole = Extract<ChannelOptions['role'], { kind: 'initiator' }>

const initiatorOptions = (role: Partial<InitiatorRole> = {}, changes: Partial<ChannelOptions> = {}): ChannelOptions => ({
  ...common('alice', '10.0.0.2'),
  role: {
    kind: 'initiator',
    expected: { rsaIdentity: bob.keys.rsaFingerprint, ed25519Identity: bob.keys.ed25519Identity },
    tlsCertificate: bob.credentials.tls.certificateDer,
    credentials: undefined,
    ...role,
  },
  ...changes,
})

/** Two machines; bytes go from one to the other until nobody says anything. `change` may replace what is on its way. */
class Pair {
  readonly initiator: ChannelMachine
  readonly responder: ChannelMachine
  readonly outputs: { initiator: ChannelOutput[]; responder: ChannelOutput[] } = { initiator: [], responder: [] }
  now = start

  constructor(initiator: ChannelOptions = initiatorOptions(), responder: ChannelOptions = responderOptions()) {
    this.initiator = new ChannelMachine(initiator, start)
    this.responder = new ChannelMachine(responder, start)
  }

  run(change: (from: 'initiator' | 'responder', bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes, chunk = 65536): this {
    for (let quiet = 0; quiet < 2; ) {
      quiet++
      for (const from of ['initiator', 'responder'] as const) {
        for (const output of this[from].takeOutputs()) {
          this.outputs[from].push(output)
          if (output.kind !== 'write') continue
          quiet = 0
          const bytes = change(from, output.bytes)
          const to = from === 'initiator' ? this.responder : this.initiator
          for (let at = 0; at < bytes.length; at += chunk) to.handleBytes(this.now, bytes.slice(at, at + chunk))
        }
      }
    }
    return this
  }

  feed(to: 'initiator' | 'responder', ...cells: Frame[]): ChannelOutput[] {
    this[to].handleBytes(this.now, frames(5, ...cells))
    return [...this[to].takeOutputs()]
  }

  opened(side: 'initiator' | 'responder') {
    return this.outputs[side].find((output) => output.kind === 'open')?.open
  }

  closed(side: 'initiator' | 'responder') {
    return this.outputs[side].find((output) => output.kind === 'close')
  }
}

function frames(linkProtocol: number, ...list: Frame[]): Uint8Array {
  const writer = new FrameWriter()
  writer.useLinkProtocol(linkProtocol)
  for (const frame of list) {
    if (isRelayBatch(frame)) writer.writeRelayBatch(frame)
    else writer.writeCell(frame)
  }
  return writer.take()
}

/** Replaces the cells of one command on their way. */
const replacing = (command: number, replace: (cell: Cell) => Cell[]) => (_: string, bytes: Uint8Array): Uint8Array => {
  const decoder = new FrameDecoder()
  // VERSIONS are the only cells with narrow circuit ids.
  const narrow = bytes[2] === ChannelCommand.VERSIONS && bytes[0] === 0 && bytes[1] === 0 && bytes[3] === 0
  decoder.useLinkProtocol(narrow ? 0 : 5)
  decoder.push(bytes)
  const out: Cell[] = []
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
    const cell = frame as Cell
    out.push(...(cell.command === command ? replace(cell) : [cell]))
  }
  return frames(narrow ? 0 : 5, ...out)
}

describe('a client and a relay', () => {
  test('both open, and each knows what it should', () => {
    const pair = new Pair(initiatorOptions({}, { sendTimestamp: false })).run()
    expect(pair.opened('initiator')).toEqual({
      linkProtocol: 5,
      peer: { rsaIdentity: bob.keys.rsaFingerprint, ed25519Identity: bob.keys.ed25519Identity },
      clockSkewSec: 0,
      apparentAddress: '10.0.0.1',
      canonical: true,
    })
    expect(pair.opened('responder')).toEqual({ linkProtocol: 5, peer: undefined, clockSkewSec: undefined, apparentAddress: '10.0.0.2', canonical: false })
    expect([pair.initiator.state, pair.responder.state]).toEqual(['open', 'open'])
  })

  test('one byte at a time', () => {
    const pair = new Pair().run(undefined, 1)
    expect(pair.opened('initiator')).toBeDefined()
    expect(pair.opened('responder')).toBeDefined()
  })

  test('the difference of clocks is noticed, unless the handshake was slow', () => {
    const netinfo = (): Cell[] => [fixedCell(0, ChannelCommand.NETINFO, encodeNetinfo({ timestampSec: 1_800_000_600, otherAddress: '10.0.0.1', myAddresses: [] }))]
    expect(new Pair().run(replacing(ChannelCommand.NETINFO, netinfo)).opened('initiator')?.clockSkewSec).toBe(600)
    const slow = new Pair()
    slow.now = { monotonic: later(start.monotonic, seconds(181)), wall: later(wall, seconds(181)) }
    expect(slow.run(replacing(ChannelCommand.NETINFO, netinfo)).opened('initiator')?.clockSkewSec).toBeUndefined()
  })
})

test('a peer whose address is gone hears of none', () => {
  const pair = new Pair(initiatorOptions(), responderOptions({ peerAddress: '' })).run()
  expect(pair.opened('initiator')?.apparentAddress).toBeUndefined()
})

describe('two relays', () => {
  test('the initiator proves who it is', () => {
    const pair = new Pair(initiatorOptions({ credentials: alice.credentials })).run()
    expect(pair.opened('responder')?.peer).toEqual({ rsaIdentity: alice.keys.rsaFingerprint, ed25519Identity: alice.keys.ed25519Identity })
    expect(pair.opened('initiator')?.peer?.rsaIdentity).toEqual(bob.keys.rsaFingerprint)
  })

  test('padding in between is part of what is signed, and harmless', () => {
    const padding = variableCell(ChannelCommand.VPADDING, new Uint8Array(33))
    const both = new Pair(initiatorOptions({ credentials: alice.credentials }))
    // The machine that sends has to know of it, so it is put where only the receiver's log counts it: the signature must fail.
    both.run(replacing(ChannelCommand.AUTH_CHALLENGE, (cell) => [padding, cell]))
    expect(both.closed('responder')).toMatchObject({ reason: 'protocol' })
    const client = new Pair().run(replacing(ChannelCommand.AUTH_CHALLENGE, (cell) => [padding, cell]))
    expect(client.opened('initiator')).toBeDefined()
  })

  test('an authentication for another TLS session, certificate or responder is refused', () => {
    const other = new Pair(initiatorOptions({ credentials: alice.credentials }, { exportKeyingMaterial: exporter('another session') })).run()
    expect(other.closed('responder')).toMatchObject({ reason: 'protocol' })
    const forged = { ...alice.credentials, authKey: carol.credentials.authKey }
    expect(new Pair(initiatorOptions({ credentials: forged })).run().closed('responder')).toMatchObject({ reason: 'protocol' })
    const mixed = { ...alice.credentials, rsaIdentityX509: carol.credentials.rsaIdentityX509 }
    expect(new Pair(initiatorOptions({ credentials: mixed })).run().closed('responder')).toMatchObject({ reason: 'protocol' })
  })

  test('a responder with methods we do not know leaves us unauthenticated', () => {
    const old = replacing(ChannelCommand.AUTH_CHALLENGE, () => [
      variableCell(ChannelCommand.AUTH_CHALLENGE, encodeAuthChallenge({ challenge: new Uint8Array(32), methods: [1] })),
    ])
    const pair = new Pair(initiatorOptions({ credentials: alice.credentials })).run(old)
    expect(pair.opened('initiator')).toBeDefined()
    expect(pair.opened('responder')?.peer).toBeUndefined()
  })
})

describe('what ends a handshake', () => {
  test('somebody else than who was asked for', () => {
    for (const expected of [{ rsaIdentity: carol.keys.rsaFingerprint }, { ed25519Identity: carol.keys.ed25519Identity }]) {
      expect(new Pair(initiatorOptions({ expected })).run().closed('initiator')).toMatchObject({ reason: 'identity' })
    }
    expect(new Pair(initiatorOptions({ expected: {} })).run().opened('initiator')).toBeDefined()
  })

  test('certificates for another TLS certificate, none, and expired ones', () => {
    expect(new Pair(initiatorOptions({ tlsCertificate: carol.credentials.tls.certificateDer })).run().closed('initiator')).toMatchObject({ reason: 'protocol' })
    expect(new Pair(initiatorOptions({ tlsCertificate: undefined })).run().closed('initiator')).toMatchObject({ reason: 'protocol' })
    const late = new Pair()
    late.now = { ...start, wall: later(wall, hours(24 * 3)) }
    expect(late.run().closed('initiator')).toMatchObject({ reason: 'protocol' })
  })

  test('no common version, or versions that make no sense', () => {
    for (const body of [encodeVersions([3, 6]), encodeVersions([]), Uint8Array.of(0, 5, 0)]) {
      const pair = new Pair().run(replacing(ChannelCommand.VERSIONS, () => [variableCell(ChannelCommand.VERSIONS, body)]))
      expect(pair.closed('responder')).toMatchObject({ reason: 'protocol' })
    }
  })

  test('version 4 will do, and later VERSIONS are ignored', () => {
    const versions = variableCell(ChannelCommand.VERSIONS, encodeVersions([3, 4]))
    expect(new Pair().run(replacing(ChannelCommand.VERSIONS, () => [versions])).opened('initiator')?.linkProtocol).toBe(4)
    const again = variableCell(ChannelCommand.VERSIONS, encodeVersions([5]))
    expect(new Pair().run(replacing(ChannelCommand.CERTS, (cell) => [again, cell])).opened('initiator')).toBeDefined()
  })

  test('each cell left out, sent twice, or with a circuit id', () => {
    for (const command of [ChannelCommand.CERTS, ChannelCommand.AUTH_CHALLENGE]) {
      expect(new Pair().run(replacing(command, () => [])).closed('initiator'), ChannelCommand.nameOf(command)).toMatchObject({ reason: 'protocol' })
      expect(new Pair().run(replacing(command, (cell) => [cell, cell])).closed('initiator')).toMatchObject({ reason: 'protocol' })
      expect(new Pair().run(replacing(command, (cell) => [{ ...cell, circuitId: 1 }])).closed('initiator')).toMatchObject({ reason: 'protocol' })
    }
    const twice = new Pair(initiatorOptions({ credentials: alice.credentials })).run(replacing(ChannelCommand.AUTHENTICATE, (cell) => [cell, cell]))
    expect(twice.closed('responder')).toMatchObject({ reason: 'protocol' })
  })

  test('cells that have no business there', () => {
    for (const cell of [
      fixedCell(1, ChannelCommand.CREATE_FAST, new Uint8Array(20)),
      fixedCell(0, ChannelCommand.PADDING, new Uint8Array(0)),
      fixedCell(0, ChannelCommand.PADDING_NEGOTIATE, encodePaddingNegotiate({ command: 'stop' })),
    ]) {
      const pair = new Pair().run(replacing(ChannelCommand.CERTS, (certs) => [cell, certs]))
      expect(pair.closed('initiator')).toMatchObject({ reason: 'protocol' })
    }
    const early = new Pair()
    early.responder.handleBytes(start, frames(0, relayBatch(1, new Uint8Array(CELL_BODY_BYTES))))
    expect(early.responder.takeOutputs().at(-1)).toMatchObject({ kind: 'close', reason: 'protocol' })
    expect(early.responder.state).toBe('closed')
  })

  test('too much padding, and too much time', () => {
    const padding = frames(0, variableCell(ChannelCommand.VPADDING, new Uint8Array(1)))
    const pair = new Pair()
    for (let i = 0; i <= HANDSHAKE_CELLS_MAX; i++) pair.responder.handleBytes(start, padding)
    expect(pair.responder.takeOutputs().at(-1)).toMatchObject({ kind: 'close', reason: 'protocol' })

    const slow = new ChannelMachine(responderOptions(), start)
    const due = must(slow.nextTimeout(), 'a handshake has a deadline')
    expect(due).toBe(HANDSHAKE_TIMEOUT)
    slow.handleTimeout({ monotonic: later(due, durationMs(-1)), wall })
    expect(slow.takeOutputs()).toEqual([])
    slow.handleTimeout({ monotonic: due, wall })
    expect(slow.takeOutputs()).toMatchObject([{ kind: 'close', reason: 'timeout' }])
    expect(slow.nextTimeout()).toBeUndefined()
  })
})

describe('an open channel', () => {
  const open = (): Pair => new Pair().run()

  test('hands on cells and batches of circuits', () => {
    const batch = relayBatch(0x80000007, new SeededRng('x').bytes(3 * CELL_BODY_BYTES))
    const outputs = open().feed('responder', fixedCell(0x80000007, ChannelCommand.CREATE_FAST, new Uint8Array(20)), batch)
    expect(outputs).toMatchObject([{ kind: 'cell', cell: { circuitId: 0x80000007 } }, { kind: 'relay-batch', batch: { count: 3, circuitId: 0x80000007 } }])
  })

  test('drops padding, unknown commands, later VERSIONS and cells of no circuit', () => {
    const cells = [
      fixedCell(0, ChannelCommand.PADDING, new Uint8Array(9)),
      variableCell(ChannelCommand.VPADDING, new Uint8Array(9)),
      fixedCell(0, 99, new Uint8Array(9)),
      variableCell(200, new Uint8Array(9)),
      variableCell(ChannelCommand.VERSIONS, encodeVersions([5])),
      fixedCell(0, ChannelCommand.DESTROY, Uint8Array.of(DestroyReason.NONE)),
    ]
    expect(open().feed('initiator', ...cells)).toEqual([])
  })

  test('cells of the handshake are breaches', () => {
    for (const cell of [
      variableCell(ChannelCommand.CERTS, new Uint8Array(1)),
      variableCell(ChannelCommand.AUTH_CHALLENGE, new Uint8Array(40)),
      variableCell(ChannelCommand.AUTHENTICATE, new Uint8Array(40)),
      fixedCell(0, ChannelCommand.NETINFO, new Uint8Array(40)),
    ]) {
      expect(open().feed('responder', cell)).toMatchObject([{ kind: 'close', reason: 'protocol' }])
    }
  })

  test('padding is negotiated by initiators only', () => {
    const cell = fixedCell(0, ChannelCommand.PADDING_NEGOTIATE, encodePaddingNegotiate({ command: 'start', lowMs: 1500, highMs: 9500 }))
    expect(open().feed('responder', cell)).toEqual([{ kind: 'padding', wanted: { command: 'start', lowMs: 1500, highMs: 9500 } }])
    expect(open().feed('initiator', cell)).toMatchObject([{ kind: 'close', reason: 'protocol' }])
  })
})

test('any change to any byte of the handshake is noticed or makes no difference', () => {
  const rng = new SeededRng('mutations')
  for (let round = 0; round < 60; round++) {
    let at = (rng.bytes(1)[0] ?? 0) * 12
    const flip = 1 << (round % 8)
    const pair = new Pair(initiatorOptions({ credentials: alice.credentials })).run((_, bytes) => {
      const out = bytes.slice()
      if (at >= 0 && at < out.length) out[at] = (out[at] ?? 0) ^ flip
      at -= out.length
      return out
    })
    for (const side of ['initiator', 'responder'] as const) {
      const peer = pair.opened(side)?.peer
      if (peer !== undefined) expect(peer.rsaIdentity).toEqual(side === 'initiator' ? bob.keys.rsaFingerprint : alice.keys.rsaFingerprint)
    }
  }
})

test('circuit ids', () => {
  const rng = new SeededRng('ids')
  for (let i = 0; i < 100; i++) {
    const ours = must(chooseCircuitId(rng, true, () => false), 'an id is free')
    expect(ours).toBeGreaterThanOrEqual(0x80000000)
    expect(isPeersCircuitId(ours, false)).toBe(true)
    expect(isPeersCircuitId(ours, true)).toBe(false)
    const theirs = must(chooseCircuitId(rng, false, () => false), 'an id is free')
    expect(theirs).toBeLessThan(0x80000000)
    expect(theirs).toBeGreaterThan(0)
    expect(isPeersCircuitId(theirs, true)).toBe(true)
  }
  expect(isPeersCircuitId(0, true)).toBe(false)
  expect(chooseCircuitId(rng, true, () => true)).toBeUndefined()
})
