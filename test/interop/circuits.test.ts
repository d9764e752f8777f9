/**
 * Circuits of three hops through C tor relays and ours in every place, with streams that move megabytes: windows,
 * authenticated SENDMEs, ends and refusals as C tor has them. Needs `tor` on the path.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { base64Decode, hexDecode } from '../../src/core/base/encoding.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { EndReason } from '../../src/core/cell/commands.ts'
import { makeLinkCredentials } from '../../src/core/cert/link-certs.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import { parseNtorKeyFile } from '../../src/core/ident/key-files.ts'
import type { HostRuntime } from '../../src/host/host-options.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import { ChannelManager } from '../../src/node/channel-manager.ts'
import { ExitService } from '../../src/node/exit-service.ts'
import { handshakeKeysOf } from '../../src/node/handshake-keys.ts'
import type { HopTarget, OriginCircuit, StreamClosed, StreamTarget } from '../../src/node/origin-circuit.ts'
import { OriginCircuitManager } from '../../src/node/origin-circuits.ts'
import { RelayCircuits } from '../../src/node/relay-circuits.ts'
import type { FlowParameters } from '../../src/core/proto/flow/circuit-flow.ts'
import { ClockHealth } from '../../src/core/proto/flow/round-trip.ts'
import { flowParameters } from '../../src/node/flow-parameters.ts'

const folder = mkdtempSync(join(tmpdir(), 'relish-circuits-'))
const bugs: unknown[] = []
const children: ChildProcess[] = []
const cleanups: (() => void)[] = []
const torPort = 15432

let circuits: OriginCircuitManager
const ctor: HopTarget[] = []
const ours: HopTarget[] = []
let echo: Server
let server: Server
const clock = new ClockHealth()
const flow = (): FlowParameters => flowParameters(undefined, { __AlwaysCongestionControl: false, __SbwsExit: false }, clock)

async function until<T>(what: string, ask: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 40_000
  for (;;) {
    const value = ask()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const logOf = (name: string): string => readFileSync(join(folder, `${name}.log`), 'utf8')

async function startTorRelay(index: number): Promise<HopTarget> {
  const name = `ctor${index}`
  const host = `127.84.${index + 1}.1`
  const data = join(folder, name)
  const torrc = [
    `DataDirectory ${data}`, 'TestingTorNetwork 1', `Log info file ${join(folder, `${name}.log`)}`, 'ProtocolWarnings 1',
    `ORPort ${host}:${torPort}`, `Address ${host}`, `OutboundBindAddress ${host}`, 'AssumeReachable 1', 'SocksPort 0', 'ContactInfo nobody', `Nickname ${name}`,
    'ExitRelay 1', 'ExitPolicy accept *:*', 'ExitPolicyRejectPrivate 0', 'RefuseUnknownExits 0', 'DirCache 1',
    `DirAuthority nobody orport=1 no-v2 v3ident=${'A'.repeat(40)} 127.0.0.1:1 ${'B'.repeat(40)}`, '',
  ]
  writeFileSync(join(folder, `${name}.torrc`), torrc.join('\n'))
  children.push(spawn('tor', ['--quiet', '-f', join(folder, `${name}.torrc`)], { stdio: 'ignore' }))
  await until(`${name} to listen`, () => (existsSync(join(folder, `${name}.log`)) && logOf(name).includes('Opened OR listener connection (ready)') ? true : undefined))
  const word = (file: string): string => readFileSync(join(data, file), 'utf8').trim().split(' ')[1] ?? ''
  await until(`${name} to write its keys`, () => (existsSync(join(data, 'fingerprint-ed25519')) && existsSync(join(data, 'keys/secret_onion_key_ntor')) ? true : undefined))
  return {
    nickname: name,
    rsaIdentity: hexDecode(word('fingerprint')),
    ed25519Identity: base64Decode(word('fingerprint-ed25519')),
    ntorOnionKey: parseNtorKeyFile(readFileSync(join(data, 'keys/secret_onion_key_ntor'))).publicKey,
    addresses: [{ host, port: torPort }],
  }
}

const hostRuntime = (name: string): HostRuntime => {
  const runtime = createHostRuntime({ dataDirectory: join(folder, name), onBug: (error) => bugs.push(error) })
  cleanups.push(() => runtime.close())
  return runtime
}

async function startOurRelay(index: number): Promise<HopTarget> {
  const name = `ours${index}`
  const runtime = hostRuntime(name)
  const host = `127.84.${index + 101}.1`
  const keys = await new Promise<RelayKeys>((resolve, reject) =>
    loadOrCreateRelayKeys(
      runtime.files,
      { nickname: name, now: runtime.wallNow(), rng: runtime.rng('keys'), generateRsaKey: (bits, onKey) => runtime.generateRsaKey(bits, onKey) },
      (result) => (result instanceof Error ? reject(result) : resolve(result)),
    ),
  )
  const credentials = makeLinkCredentials(keys, runtime.generateTlsKey(), { now: runtime.wallNow(), rng: runtime.rng('link') })
  const streams = new ExitService({ runtime, allows: () => true, ipv6Exit: () => false, bindAddresses: () => ({ ipv4: host }) })
  const relay: RelayCircuits = new RelayCircuits({ runtime, channels: () => channels, keys: () => handshakeKeysOf(keys), streams, extendAllowPrivateAddresses: () => true, flow })
  const channels: ChannelManager = new ChannelManager(runtime, {
    credentials: () => credentials, myAddresses: () => [host], localHost: host, onCreate: (channel, cell) => relay.handleCreate(channel, cell),
  })
  cleanups.push(() => channels.closeAll())
  const address = await new Promise<{ host: string; port: number }>((resolve, reject) => channels.listen({ host, port: 0 }, { onListening: resolve, onError: reject }))
  return { nickname: name, rsaIdentity: keys.rsaFingerprint, ed25519Identity: keys.ed25519Identity, ntorOnionKey: keys.ntorOnionKey.publicKey, addresses: [address] }
}

beforeAll(async () => {
  ctor.push(...(await Promise.all([0, 1, 2].map(startTorRelay))))
  ours.push(...(await Promise.all([0, 1, 2].map(startOurRelay))))
  const runtime = hostRuntime('client')
  const channels = new ChannelManager(runtime, { credentials: undefined, myAddresses: () => [] })
  cleanups.push(() => channels.closeAll())
  circuits = new OriginCircuitManager({ runtime, channels, flow })
  echo = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  server = transferServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Before it has a descriptor of its own, C tor's exit policy rejects everything.
  for (let ready = false; !ready; ) {
    const circuit = await build(pick('CCC'))
    ready = (await exchange(circuit, echoTarget(), new Uint8Array(1), 1)).closed?.reason !== EndReason.EXITPOLICY
    circuit.close()
  }
})

const echoTarget = (): StreamTarget => ({ kind: 'connect', host: '127.0.0.1', port: (echo.address() as AddressInfo).port })

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) cleanup()
  echo.close()
  server.close()
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
  expect(bugs).toEqual([])
})

const build = (path: readonly HopTarget[], congestionControl = false): Promise<OriginCircuit> =>
  new Promise((resolve, reject) => {
    circuits.build(path, { purpose: 'test', congestionControl }, { onOpen: resolve, onFailed: (error, hop) => reject(error.within(`hop ${hop}`)) })
  })

/** Sends bytes through an echo, or a request to a directory, and gives what came back once the stream is over or has it all. */
function exchange(circuit: OriginCircuit, target: StreamTarget, bytes: Uint8Array, expected: number): Promise<{ received: Buffer; closed: StreamClosed | undefined }> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let received = 0
    const stream = circuit.openStream(target, {
      onConnected: () => undefined,
      onData: (chunk) => {
        chunks.push(chunk.slice())
        received += chunk.length
        if (received === expected) {
          stream.end()
          resolve({ received: Buffer.concat(chunks), closed: undefined })
        }
      },
      onEnd: () => undefined,
      onDrain: () => undefined,
      onClose: (closed) => resolve({ received: Buffer.concat(chunks), closed }),
    })
    for (let at = 0; at < bytes.length; at += 16_384) stream.write(bytes.slice(at, at + 16_384))
  })
}

const transferBytes = Buffer.from(new SeededRng('transfer').bytes(10_000_000))
const transferDigest = createHash('sha256').update(transferBytes).digest()

/** Asked with `D`, sends ten megabytes; after `U` it takes as many and answers with their digest; after `S` it takes its time. */
function transferServer(): Server {
  return createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (first: Buffer) => {
      const asked = first.toString('latin1', 0, 1)
      if (asked === 'D') socket.end(transferBytes)
      else digestUpload(socket, first.subarray(1), asked === 'S')
    })
  })
}

function digestUpload(socket: Socket, begin: Buffer, slowly: boolean): void {
  const hash = createHash('sha256')
  let left = transferBytes.length
  const take = (chunk: Buffer): void => {
    hash.update(chunk)
    left -= chunk.length
    if (left === 0) socket.end(hash.digest())
  }
  take(begin)
  socket.on('data', take)
  if (!slowly) return
  socket.pause()
  setTimeout(() => socket.resume(), 2000)
}

const serverTarget = (): StreamTarget => ({ kind: 'connect', host: '127.0.0.1', port: (server.address() as AddressInfo).port })

/** Hops that say what C tor and our relays do. */
const negotiating = (path: readonly HopTarget[]): HopTarget[] => path.map((hop) => ({ ...hop, protocols: 'FlowCtrl=1-2 Relay=1-4' }))

const pick = (word: string): HopTarget[] =>
  [...word].map((letter, place) => {
    const hop = (letter === 'C' ? ctor : ours)[place]
    if (hop === undefined) throw new Error(`no relay for ${word}`)
    return hop
  })

describe('three hops, C for C tor and R for ours', () => {
  for (const word of ['CCC', 'CCR', 'CRC', 'RCC', 'CRR', 'RCR', 'RRC', 'RRR']) {
    test(`${word}: two megabytes to an echo and back`, async () => {
      const circuit = await build(pick(word))
      const bytes = new SeededRng(word).bytes(2_000_000)
      const { received, closed } = await exchange(circuit, echoTarget(), bytes, bytes.length)
      expect(closed).toBeUndefined()
      expect(received.equals(bytes)).toBe(true)
      expect(circuit.state).toBe('open')
      circuit.close()
    })
  }

  test('ntor-v3 with every hop', async () => {
    const circuit = await build(pick('CRC').map((hop) => ({ ...hop, protocols: 'Relay=1-4' })))
    expect((await exchange(circuit, echoTarget(), new Uint8Array(200_000), 200_000)).received).toHaveLength(200_000)
    circuit.close()
  })

  test('names are resolved by C tor and by us', async () => {
    for (const word of ['RRC', 'CCR']) {
      const circuit = await build(pick(word))
      const answers = await new Promise((resolve) => circuit.resolve('127.0.0.1', resolve))
      expect(answers, word).toMatchObject([{ kind: expect.stringMatching(/hostname|error/) }])
      circuit.close()
    }
  })

  test('a port where nobody listens is refused alike', async () => {
    for (const word of ['RRC', 'CCR']) {
      const circuit = await build(pick(word))
      const { closed } = await exchange(circuit, { kind: 'connect', host: '127.0.0.1', port: 1 }, new Uint8Array(100), 1)
      expect(closed?.remote, word).toBe(true)
      // C tor reads the socket's error twice and finds none the second time: MISC.
      expect([EndReason.CONNECTREFUSED, EndReason.MISC]).toContain(closed?.reason)
      circuit.close()
    }
  })

  test('a directory stream over CREATE_FAST to C tor', async () => {
    const [first] = ctor
    if (first === undefined) throw new Error('no relay')
    const { ntorOnionKey: _, ...hop } = first
    const circuit = await build([hop])
    const { received, closed } = await exchange(circuit, { kind: 'directory' }, Buffer.from('GET /tor/server/authority HTTP/1.0\r\n\r\n'), -1)
    expect(received.toString('latin1')).toMatch(/^HTTP\/1\.0 200 OK/)
    expect(closed).toMatchObject({ reason: EndReason.DONE, remote: true })
    circuit.close()
  })

  for (const word of ['CCC', 'RRC', 'CCR', 'RRR', 'CRC', 'RCR']) {
    test(`${word}: ten megabytes each way with congestion control`, async () => {
      const circuit = await build(negotiating(pick(word)), true)
      // The window is that of congestion control: 124 cells at the start, not 1000.
      expect(circuits.inspect().find((each) => each.id === circuit.id)?.packageWindow).toBe(124)
      const down = await exchange(circuit, serverTarget(), Buffer.from('D'), transferBytes.length)
      expect(down.closed).toBeUndefined()
      expect(down.received.equals(transferBytes)).toBe(true)
      const up = await exchange(circuit, serverTarget(), Buffer.concat([Buffer.from('U'), transferBytes]), 32)
      expect(up.closed).toBeUndefined()
      expect(up.received.equals(transferDigest)).toBe(true)
      circuit.close()
    })
  }

  for (const word of ['RRC', 'CCR']) {
    test(`${word}: a destination that does not read stops the upload, and lets it go on`, async () => {
      const circuit = await build(negotiating(pick(word)), true)
      const up = await exchange(circuit, serverTarget(), Buffer.concat([Buffer.from('S'), transferBytes]), 32)
      expect(up.closed).toBeUndefined()
      expect(up.received.equals(transferDigest)).toBe(true)
      expect(circuit.state).toBe('open')
      if (word === 'RRC') expect(logOf('ctor2')).toMatch(/Sending XOFF[^]*Sending XON/)
      circuit.close()
    })

    test(`${word}: a client that does not read stops the download, and lets it go on`, async () => {
      const circuit = await build(negotiating(pick(word)), true)
      const { received } = await new Promise<{ received: Buffer }>((resolve) => {
        const chunks: Uint8Array[] = []
        let bytes = 0
        let paused = false
        const stream = circuit.openStream(serverTarget(), {
          onConnected: () => undefined,
          onData: (chunk) => {
            chunks.push(chunk.slice())
            bytes += chunk.length
            if (!paused && bytes > 1_000_000) {
              paused = true
              stream.pauseReading()
              setTimeout(() => stream.resumeReading(), 1500)
            }
            if (bytes === transferBytes.length) resolve({ received: Buffer.concat(chunks) })
          },
          onEnd: () => undefined,
          onDrain: () => undefined,
          onClose: () => resolve({ received: Buffer.concat(chunks) }),
        })
        stream.write(Buffer.from('D'))
      })
      expect(received.equals(transferBytes)).toBe(true)
      expect(circuit.state).toBe('open')
      if (word === 'RRC') expect(logOf('ctor2')).toMatch(/Got XOFF![^]*Got XON/)
      circuit.close()
    })
  }

  test('C tor found nothing to complain about', () => {
    for (const name of ['ctor0', 'ctor1', 'ctor2']) {
      // C tor tries to read an RSA key from every TLS certificate, and says so when it is of another kind: ours are P-256.
      const complaints = logOf(name).split('\n').filter((line) => /\[(warn|err)\]/.test(line) && !/as root|sensitive information|expecting an rsa key|Unhandled OpenSSL errors|TestingTorNetwork|DirAuthority|Nickname/.test(line))
      expect(complaints).toEqual([])
    }
  })
})
