/**
 * Links and circuits with C tor: our initiator (as client and as relay) against a C tor relay, and our responder against
 * a C tor relay that authenticates and a C tor client that does not. Needs `tor` on the path.
 */

import { CELL_BODY_BYTES } from '../../src/core/cell/limits.ts'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { base64Decode, hexDecode, hexEncodeUpper, utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { fixedCell, relayBatch, type Cell } from '../../src/core/cell/cell.ts'
import {
  decodeCreate2, decodeCreated2, decodeCreatedFast, encodeCreate2, encodeCreated2, encodeCreateFast, encodeExtend2,
} from '../../src/core/cell/circuit-messages.ts'
import { ChannelCommand, HandshakeType, RelayCommand } from '../../src/core/cell/commands.ts'
import { encodeRelayMessage, readRelayMessage, type RelayMessage } from '../../src/core/cell/relay-cell.ts'
import { makeLinkCredentials, type LinkCredentials } from '../../src/core/cert/link-certs.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { parseNtorKeyFile } from '../../src/core/ident/key-files.ts'
import { linkSpecifiersOf } from '../../src/core/ident/link-specifier.ts'
import type { ChannelOpen } from '../../src/core/proto/channel/channel-types.ts'
import { decodeCircuitResponse, encodeCircuitRequest } from '../../src/core/proto/handshake/circuit-extensions.ts'
import { createFastClientFinish, createFastClientStart } from '../../src/core/proto/handshake/create-fast.ts'
import { circuitExtendVerification, ntorV3ClientFinish, ntorV3ClientStart } from '../../src/core/proto/handshake/ntor-v3.ts'
import { ntorClientFinish, ntorClientStart, ntorServer } from '../../src/core/proto/handshake/ntor.ts'
import { OnionLayers } from '../../src/core/proto/relaycrypt/onion.ts'
import { TOR1_KEY_BYTES, Tor1ClientLayer } from '../../src/core/proto/relaycrypt/tor1.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import type { HostRuntime } from '../../src/host/host-options.ts'
import { ChannelManager } from '../../src/node/channel-manager.ts'
import type { Channel, ChannelTarget } from '../../src/node/channel.ts'
import { linkPaddingRules } from '../../src/node/link-padding-rules.ts'
import type { SocketAddress } from '../../src/runtime/index.ts'

const orAddress = { host: '127.83.1.1', port: 15431 }
const folder = mkdtempSync(join(tmpdir(), 'relish-link-'))
const bugs: unknown[] = []
const children: ChildProcess[] = []

let runtime: HostRuntime
let keys: RelayKeys
let relay: ChannelManager
let client: ChannelManager
let relayAddress: SocketAddress
let target: ChannelTarget
let onionKey: Uint8Array
const incoming: { channel: Channel; open: ChannelOpen }[] = []
const notify: (() => void)[] = []

/** Waits for a condition that changes when a channel opens, a cell comes or a child writes. */
async function until<T>(what: string, ask: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 40_000
  for (;;) {
    const value = ask()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 100)
      notify.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

const changed = (): void => {
  for (const wake of notify.splice(0)) wake()
}

function startTor(name: string, lines: readonly string[]): string {
  const data = join(folder, name)
  const torrc = join(folder, `${name}.torrc`)
  writeFileSync(torrc, [`DataDirectory ${data}`, 'TestingTorNetwork 1', `Log [general,net,handshake,or,channel]debug file ${join(folder, `${name}.log`)}`, ...lines, ''].join('\n'))
  children.push(spawn('tor', ['--quiet', '-f', torrc], { stdio: 'ignore' }))
  return data
}

const logOf = (name: string): string => (existsSync(join(folder, `${name}.log`)) ? readFileSync(join(folder, `${name}.log`), 'utf8') : '')

beforeAll(async () => {
  runtime = createHostRuntime({ dataDirectory: join(folder, 'ours'), onBug: (error) => bugs.push(error) })
  keys = await new Promise<RelayKeys>((resolve, reject) =>
    loadOrCreateRelayKeys(
      runtime.files,
      { nickname: 'ours', now: runtime.wallNow(), rng: runtime.rng('keys'), generateRsaKey: (bits, onKey) => runtime.generateRsaKey(bits, onKey) },
      (result) => (result instanceof Error ? reject(result) : resolve(result)),
    ),
  )
  const credentials: LinkCredentials = makeLinkCredentials(keys, runtime.generateTlsKey(), { now: runtime.wallNow(), rng: runtime.rng('link') })
  relay = new ChannelManager(runtime, {
    credentials: () => credentials,
    myAddresses: () => ['127.0.0.1'],
    onCreate: answerCreate,
    onChannelOpen: (channel, open) => {
      if (!channel.peer.initiator) incoming.push({ channel, open })
      changed()
    },
  })
  client = new ChannelManager(runtime, { credentials: undefined, myAddresses: () => [] })
  relayAddress = await new Promise<SocketAddress>((resolve, reject) =>
    relay.listen({ host: '127.0.0.1', port: 0 }, { onListening: resolve, onError: reject }),
  )
  const data = startTor('relay', [
    `ORPort ${orAddress.host}:${orAddress.port}`,
    `Address ${orAddress.host}`,
    'AssumeReachable 1',
    'SocksPort 0',
    'ContactInfo nobody',
    'Nickname ctor',
    `DirAuthority ours orport=${relayAddress.port} no-v2 v3ident=${'A'.repeat(40)} 127.0.0.1:1 ${hexEncodeUpper(keys.rsaFingerprint)}`,
  ])
  await until('C tor to listen', () => (logOf('relay').includes('Opened OR listener connection (ready)') ? true : undefined))
  await until('C tor to write its keys', () => (existsSync(join(data, 'fingerprint-ed25519')) ? true : undefined))
  const word = (file: string): string => readFileSync(join(data, file), 'utf8').trim().split(' ')[1] ?? ''
  target = { rsaIdentity: hexDecode(word('fingerprint')), ed25519Identity: base64Decode(word('fingerprint-ed25519')), addresses: [orAddress] }
  onionKey = parseNtorKeyFile(readFileSync(join(data, 'keys/secret_onion_key_ntor'))).publicKey
})

afterAll(async () => {
  client.closeAll()
  relay.closeAll()
  runtime.close()
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    // C tor leaves at once on SIGTERM; SIGINT would let it wait for its circuits.
    child.kill('SIGTERM')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
  expect(bugs).toEqual([])
})

const open = (manager: ChannelManager, to: ChannelTarget): Promise<Channel> =>
  new Promise((resolve, reject) => manager.get(to, { onOpen: resolve, onFailed: (error, closed) => reject(Object.assign(error, { closed })) }))

/** Our relay's answer to a CREATE2 with ntor: enough for C tor to extend to us. */
function answerCreate(channel: Channel, cell: Cell): void {
  if (cell.command !== ChannelCommand.CREATE2) return
  const { handshake } = decodeCreate2(cell.body)
  const self = { rsaIdentity: keys.rsaFingerprint, onionKeys: { current: keys.ntorOnionKey, previous: keys.ntorOnionKeyOld } }
  const { reply } = ntorServer(handshake, self, TOR1_KEY_BYTES, runtime.rng('test'))
  channel.sendCell(fixedCell(cell.circuitId, ChannelCommand.CREATED2, encodeCreated2({ handshake: reply })))
}

/** A one-hop circuit for tests. */
class TestCircuit {
  readonly received: RelayMessage[] = []
  readonly cells: Cell[] = []
  readonly layers = new OnionLayers()
  readonly #channel: Channel
  readonly #id: number

  constructor(channel: Channel, create: (id: number) => Cell) {
    this.#channel = channel
    const id = channel.allocateCircuitId()
    if (id === undefined) throw new Error('the channel is full')
    this.#id = id
    channel.attach(id, {
      handleCell: (cell) => {
        this.cells.push(cell)
        changed()
      },
      handleRelayBatch: (batch) => {
        const runs = this.layers.decrypt(batch.payloads)
        if (runs === undefined) throw new Error('a cell that is nobody’s')
        for (const { bodies } of runs) for (let at = 0; at < bodies.length; at += CELL_BODY_BYTES) this.received.push(readRelayMessage(bodies, at))
        changed()
      },
      handleChannelClosed: changed,
      handleWritable: () => undefined,
    })
    channel.sendCell(create(id))
  }

  async created(command: number): Promise<Uint8Array> {
    const cell = await until('CREATED', () => this.cells[0])
    expect(ChannelCommand.nameOf(cell.command)).toBe(ChannelCommand.nameOf(command))
    return cell.body
  }

  send(message: RelayMessage, command: number = ChannelCommand.RELAY): void {
    const body = encodeRelayMessage(message, runtime.rng('test'))
    this.#channel.sendRelayBatch(relayBatch(this.#id, this.layers.encrypt(0, body).payloads, command))
  }
}

const create2 = (type: number, handshake: Uint8Array) => (id: number) =>
  fixedCell(id, ChannelCommand.CREATE2, encodeCreate2({ handshakeType: type, handshake }))

/** Asks the relay for its descriptor through the circuit's first hop. */
async function fetchDescriptor(circuit: TestCircuit): Promise<string> {
  circuit.send({ command: RelayCommand.BEGIN_DIR, streamId: 5, data: new Uint8Array(0) })
  circuit.send({ command: RelayCommand.DATA, streamId: 5, data: utf8Encode('GET /tor/server/authority HTTP/1.0\r\n\r\n') })
  await until('the end of the answer', () => circuit.received.find((message) => message.command === RelayCommand.END))
  return circuit.received.filter((message) => message.command === RelayCommand.DATA).map((message) => utf8Decode(message.data)).join('')
}

describe('our initiator and a C tor relay', () => {
  test('CREATE_FAST, and a directory stream over it', async () => {
    const channel = await open(client, target)
    expect(channel.linkProtocol).toBe(5)
    const start = createFastClientStart(runtime.rng('test'))
    const circuit = new TestCircuit(channel, (id) => fixedCell(id, ChannelCommand.CREATE_FAST, encodeCreateFast(start.message)))
    const reply = decodeCreatedFast(await circuit.created(ChannelCommand.CREATED_FAST))
    circuit.layers.add(new Tor1ClientLayer(createFastClientFinish(start.state, reply, TOR1_KEY_BYTES)))
    expect(await fetchDescriptor(circuit)).toMatch(/^HTTP\/1\.0 /)
  })

  test('ntor-v3 with congestion control', async () => {
    const channel = await open(client, target)
    const ed25519Identity = target.ed25519Identity ?? new Uint8Array(0)
    const start = ntorV3ClientStart({ ed25519Identity, onionKey }, encodeCircuitRequest({ congestionControl: true }), circuitExtendVerification, runtime.rng('test'))
    const circuit = new TestCircuit(channel, create2(HandshakeType.NTOR_V3, start.handshake))
    const { message, keys: material } = ntorV3ClientFinish(start.state, decodeCreated2(await circuit.created(ChannelCommand.CREATED2)).handshake, TOR1_KEY_BYTES)
    expect(decodeCircuitResponse(message).sendmeIncrement).toBeGreaterThan(0)
    circuit.layers.add(new Tor1ClientLayer(material))
    expect(await fetchDescriptor(circuit)).toMatch(/^HTTP\/1\.0 /)
  })

  test('the wrong identity is found out', async () => {
    await expect(open(client, { ...target, ed25519Identity: new Uint8Array(32) })).rejects.toMatchObject({ closed: { reason: 'identity' } })
  })

  test('a client that wants no padding says so', async () => {
    const quiet = new ChannelManager(runtime, {
      credentials: undefined,
      myAddresses: () => [],
      linkPadding: () => linkPaddingRules(undefined, { ConnectionPadding: false, ReducedConnectionPadding: false }),
    })
    await new Promise<Channel>((resolve, reject) => quiet.get(target, { onOpen: resolve, onFailed: reject }))
    await until('C tor to agree', () => (/Negotiated padding=0/.test(logOf('relay')) ? true : undefined))
    quiet.closeAll()
  })

  test('as a relay we authenticate', async () => {
    const channel = await open(relay, target)
    await until('C tor to know us', () => (/Got an AUTHENTICATE cell on .* type 3: Looks good/.test(logOf('relay')) ? true : undefined))
    const start = ntorClientStart({ rsaIdentity: target.rsaIdentity, onionKey }, runtime.rng('test'))
    const circuit = new TestCircuit(channel, create2(HandshakeType.NTOR, start.handshake))
    const created = decodeCreated2(await circuit.created(ChannelCommand.CREATED2))
    ntorClientFinish(start.state, created.handshake, TOR1_KEY_BYTES)
  })
})

describe('our responder', () => {
  test('takes a C tor relay that dials and authenticates', async () => {
    // C tor would use the link we have, were it still there.
    relay.closeAll()
    const credentials = makeLinkCredentials(keys, runtime.generateTlsKey(), { now: runtime.wallNow(), rng: runtime.rng('link') })
    relay = new ChannelManager(runtime, {
      credentials: () => credentials,
      myAddresses: () => ['127.0.0.1'],
      onCreate: answerCreate,
      onChannelOpen: (channel, open) => {
        incoming.push({ channel, open })
        changed()
      },
    })
    relayAddress = await new Promise<SocketAddress>((resolve, reject) =>
      relay.listen({ host: '127.0.0.1', port: 0 }, { onListening: resolve, onError: reject }),
    )
    const channel = await open(client, target)
    const start = ntorClientStart({ rsaIdentity: target.rsaIdentity, onionKey }, runtime.rng('test'))
    const circuit = new TestCircuit(channel, create2(HandshakeType.NTOR, start.handshake))
    const created = decodeCreated2(await circuit.created(ChannelCommand.CREATED2))
    circuit.layers.add(new Tor1ClientLayer(ntorClientFinish(start.state, created.handshake, TOR1_KEY_BYTES)))
    const self = { rsaIdentity: keys.rsaFingerprint, ed25519Identity: keys.ed25519Identity, addresses: [relayAddress] }
    const extend = ntorClientStart({ rsaIdentity: self.rsaIdentity, onionKey: keys.ntorOnionKey.publicKey }, runtime.rng('test'))
    const data = encodeExtend2({ linkSpecifiers: linkSpecifiersOf(self), handshakeType: HandshakeType.NTOR, handshake: extend.handshake })
    circuit.send({ command: RelayCommand.EXTEND2, streamId: 0, data }, ChannelCommand.RELAY_EARLY)
    const extended = await until('EXTENDED2', () => circuit.received[0])
    expect(RelayCommand.nameOf(extended.command)).toBe('EXTENDED2')
    const dialled = incoming.find(({ channel: each }) => each.isOpen && each.peer.authenticated)
    expect(hexEncodeUpper(dialled?.channel.peer.rsaIdentity ?? new Uint8Array(0))).toBe(hexEncodeUpper(target.rsaIdentity))
    expect(hexEncodeUpper(dialled?.channel.peer.ed25519Identity ?? new Uint8Array(0))).toBe(hexEncodeUpper(target.ed25519Identity ?? new Uint8Array(0)))
    expect(Math.abs(dialled?.open.clockSkewSec ?? 99)).toBeLessThan(3)
  })

  test('takes a C tor client, which does not authenticate', async () => {
    incoming.length = 0
    startTor('client', [
      'SocksPort 0',
      'UseBridges 1',
      `Bridge 127.0.0.1:${relayAddress.port} ${hexEncodeUpper(keys.rsaFingerprint)}`,
      `DirAuthority ours orport=1 no-v2 v3ident=${'A'.repeat(40)} 127.0.0.1:1 ${'B'.repeat(40)}`,
    ])
    const dialled = await until('the client to dial', () => incoming.find(({ channel }) => !channel.peer.authenticated))
    expect(dialled.open.peer).toBeUndefined()
    expect(dialled.open.clockSkewSec).toBeUndefined()
  })
})
