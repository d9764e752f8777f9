/** Links over TLS between the host's network and C tor, both ways, up to the first bytes inside. Needs `tor` and `openssl`. */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { must } from '../../src/core/base/assert.ts'
import { concatBytes } from '../../src/core/base/encoding.ts'
import { later, seconds } from '../../src/core/base/time.ts'
import { signX509 } from '../../src/core/cert/x509.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import type { HostRuntime } from '../../src/host/host-options.ts'
import type { SecureByteStream, TlsIdentity } from '../../src/runtime/index.ts'

let folder: string
let runtime: HostRuntime
let child: ChildProcess | undefined
let childOutput = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'relish-tls-'))
  runtime = createHostRuntime({ dataDirectory: join(folder, 'ours'), onBug: (error) => { throw error } })
})

afterEach(async () => {
  runtime.close()
  if (child !== undefined) {
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    if (child.exitCode === null) {
      child.kill('SIGKILL')
      await ended
    }
  }
  rmSync(folder, { recursive: true, force: true })
})

function run(command: string, args: readonly string[]): ChildProcess {
  childOutput = ''
  child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdout?.on('data', (chunk: Buffer) => (childOutput += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (childOutput += chunk.toString()))
  return child
}

async function until<T>(what: string, found: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 15_000
  for (;;) {
    const value = found()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`not within 15 seconds: ${what}\n${childOutput}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function identity(): TlsIdentity {
  const key = runtime.generateTlsKey()
  const now = runtime.wallNow()
  const certificateDer = signX509(rsaKeyFromRng(new SeededRng('tls interop'), 1024), {
    subject: 'www.example.net', issuer: 'www.example.com', publicKeyDer: key.publicKeyDer,
    notBefore: later(now, seconds(-86_400)), notAfter: later(now, seconds(365 * 86_400)), serial: Uint8Array.of(1, 2, 3),
  })
  return { certificateDer, privateKeyDer: key.privateKeyDer }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return address.port
}

async function listen(): Promise<{ port: number; accepted: () => SecureByteStream | undefined }> {
  let port: number | undefined
  let stream: SecureByteStream | undefined
  const shown = identity()
  runtime.network.listenSecure({ host: '127.0.0.1', port: 0 }, () => shown, {
    onListening: (address) => (port = address.port),
    onConnection: (accepted) => (stream ??= accepted),
    onError: (error) => { throw error },
  })
  return { port: await until('listening', () => port), accepted: () => stream }
}

function record(stream: SecureByteStream): () => Uint8Array {
  const chunks: Uint8Array[] = []
  stream.start({ onData: (chunk) => chunks.push(chunk.slice()), onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined })
  return () => concatBytes(chunks)
}

// VERSIONS with 4 and 5 (tor-spec §4.1): circuit id 0 in two bytes, command 7.
const versionsCell = Uint8Array.of(0, 0, 7, 0, 4, 0, 4, 0, 5)

describe('TLS with C tor', () => {
  it('C tor dials us and sends its VERSIONS', async () => {
    const { port, accepted } = await listen()
    run('tor', ['-f', '/dev/null', '--ignore-missing-torrc', '--DataDirectory', join(folder, 'tor'), '--SocksPort', '0', '--UseBridges', '1',
      '--Bridge', `127.0.0.1:${port} 0123456789ABCDEF0123456789ABCDEF01234567`, '--Log', 'info stdout'])
    const stream = await until('a link', accepted)
    const received = record(stream)
    await until('VERSIONS', () => (received().length >= 7 ? true : undefined))
    expect(received().subarray(0, 3)).toEqual(Uint8Array.of(0, 0, 7))
    expect(stream.exportKeyingMaterial(32, 'EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003', new Uint8Array(32))).toHaveLength(32)
  })

  it('we dial C tor and it answers our VERSIONS with its certificates', async () => {
    const port = await freePort()
    run('tor', ['-f', '/dev/null', '--ignore-missing-torrc', '--DataDirectory', join(folder, 'tor'), '--SocksPort', '0', '--ORPort', `127.0.0.1:${port}`,
      '--AssumeReachable', '1', '--PublishServerDescriptor', '0', '--Address', '127.0.0.1', '--TestingTorNetwork', '1', '--ExitRelay', '0',
      '--DirAuthority', 'test orport=1 no-v2 v3ident=0123456789ABCDEF0123456789ABCDEF01234567 127.0.0.1:2 0123456789ABCDEF0123456789ABCDEF01234567', '--Log', 'notice stdout'])
    await until('C tor’s listener', () => (/Opened OR listener connection|Opened OR listener/.test(childOutput) ? true : undefined))
    let stream: SecureByteStream | undefined
    runtime.network.dialSecure({ target: { host: '127.0.0.1', port }, timeout: seconds(10) }, {
      onConnect: (made) => (stream = made),
      onError: (error) => { throw error },
    })
    const link = await until('a link', () => stream)
    expect(must(link.peerCertificate, 'C tor shows a certificate').length).toBeGreaterThan(200)
    const received = record(link)
    link.write(versionsCell)
    // VERSIONS, then CERTS (129) with a four-byte circuit id.
    await until('CERTS', () => (received().length > 600 ? true : undefined))
    const bytes = received()
    const after = 5 + ((must(bytes[3], 'a length') << 8) | must(bytes[4], 'a length'))
    expect(bytes[2]).toBe(7)
    expect(bytes[after + 4]).toBe(129)
  })
})

describe('TLS 1.2 and 1.3 with OpenSSL', () => {
  it.each(['tls1_2', 'tls1_3'])('a client of %s', async (version) => {
    const { port, accepted } = await listen()
    const client = run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, `-${version}`, '-keymatexport', 'EXPORTER relish', '-keymatexportlen', '20'])
    const stream = await until('a link', accepted)
    const received = record(stream)
    client.stdin?.write('hello\n')
    await until('hello', () => (received().length === 6 ? true : undefined))
    expect(childOutput).toMatch(/No client certificate CA names sent|Verification error/)
    const exported = await until('its keying material', () => /Keying material: ([0-9A-F]{40})/.exec(childOutput)?.[1])
    // s_client exports without a context, which must differ from an empty one in TLS 1.2 (RFC 5705 §4); in TLS 1.3 it must not (RFC 8446 §7.5).
    const ours = Buffer.from(stream.exportKeyingMaterial(20, 'EXPORTER relish', new Uint8Array(0))).toString('hex').toUpperCase()
    expect(ours === exported).toBe(version === 'tls1_3')
  })
})
