/**
 * Onion services of C tor and their visitor, with nothing but our relays between them: directories of descriptors,
 * introduction points and rendezvous points are all ours. Needs `tor` on the PATH.
 *
 * Three services differ in what they ask of relays: one as usual, one with limits on introductions (the DoS extension of ESTABLISH_INTRO),
 * and one that is not anonymous, so that it comes to introduction and rendezvous points with one hop.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SeededRng } from '../../src/core/base/rng.ts'
import { parseAddressPort } from '../../src/core/ident/address.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import type { HostRuntime } from '../../src/host/host-options.ts'
import type { SocketAddress } from '../../src/runtime/index.ts'
import { connectThroughSocks } from '../../src/testnet/socks-client.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

const virtualPort = 7
const megabyte = 1024 * 1024
/** From the start of a service until its descriptor is where visitors look. */
const publishedWithinMs = 60_000

/** What C tor says of any configuration like ours. */
const aboutSetup = /TestingTorNetwork is set|You have used DirAuthority|running Tor as root|sensitive information|HiddenServiceNonAnonymousMode is set|non-anonymous mode/

let folder: string
let cli: BuiltCli
let runtime: HostRuntime
let echo: Server
let visitor: SocketAddress
let single: ChildProcess | undefined
const bugs: unknown[] = []

const relish = (...args: string[]) => cli.run(args, { cwd: folder, env: { RELISH_TOR: cli.torPath } })
const serviceFolder = (name: string): string => join(folder, 'services', name)
const onionAddress = (name: string): string => readFileSync(join(serviceFolder(name), 'hostname'), 'utf8').trim()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'relish-onion-'))
  mkdirSync(join(folder, 'services'), { mode: 0o700 })
  cli = await buildCli()
  runtime = createHostRuntime({ dataDirectory: join(folder, 'visitor'), onBug: (error) => bugs.push(error) })
  echo = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const target = `127.0.0.1:${(echo.address() as AddressInfo).port}`
  writeFileSync(
    join(folder, 'onion.yaml'),
    `
nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: relay, name: middle, count: 5 }
  - { role: exit, name: exit, count: 2 }
  - role: client
    name: service
    implementation: tor
    torrc: |
      HiddenServiceDir ${serviceFolder('plain')}
      HiddenServicePort ${virtualPort} ${target}
      HiddenServiceDir ${serviceFolder('limited')}
      HiddenServicePort ${virtualPort} ${target}
      HiddenServiceEnableIntroDoSDefense 1
      HiddenServiceEnableIntroDoSRatePerSec 10
      HiddenServiceEnableIntroDoSBurstPerSec 20
  - role: client
    name: visitor
    implementation: tor
`,
  )
  expect(await relish('up', 'onion.yaml', '--dir', 'run', '--detach')).toMatchObject({ code: 0, stderr: '' })
  const joining = JSON.parse((await relish('join', '--dir', 'run', '--json')).stdout) as { torrc: string[]; socks: { node: string; address: string }[] }
  const socks = parseAddressPort(joining.socks.find(({ node }) => node === 'visitor')?.address ?? '')
  if (socks === undefined) throw new Error('the visitor has no SOCKS port')
  visitor = socks
  startSingleHopService(joining.torrc, target)
})

afterAll(async () => {
  if (single !== undefined && single.exitCode === null) {
    single.kill('SIGKILL')
    await once(single, 'exit')
  }
  await relish('down', '--dir', 'run')
  runtime.close()
  echo.close()
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
  expect(bugs).toEqual([])
})

/** C tor refuses a SOCKS port beside such a service, so that it is no client of the network file. */
function startSingleHopService(torrc: readonly string[], target: string): void {
  const lines = [
    ...torrc, `DataDirectory ${join(folder, 'single')}`, 'SocksPort 0', 'HiddenServiceNonAnonymousMode 1', 'HiddenServiceSingleHopMode 1', 'ShutdownWaitLength 0',
    'ProtocolWarnings 1', `HiddenServiceDir ${serviceFolder('single')}`, `HiddenServicePort ${virtualPort} ${target}`,
    `Log notice file ${join(folder, 'single.log')}`, '',
  ]
  writeFileSync(join(folder, 'single.torrc'), lines.join('\n'))
  single = spawn('tor', ['--quiet', '-f', join(folder, 'single.torrc')], { stdio: 'ignore' })
}

/** Asks until the service can be found; C tor itself looks at several directories before it says no. */
async function connect(name: string) {
  const deadline = performance.now() + publishedWithinMs
  for (;;) {
    if (existsSync(join(serviceFolder(name), 'hostname'))) {
      try {
        return await connectThroughSocks(runtime.network, visitor, '127.0.0.1', { host: onionAddress(name), port: virtualPort }, {})
      } catch (error) {
        if (performance.now() > deadline) throw error
      }
    } else if (performance.now() > deadline) {
      throw new Error(`the service ${name} has no address`)
    }
    await delay(500)
  }
}

const warningsOf = (log: string): string[] => readFileSync(log, 'utf8').split('\n').filter((line) => /\[(warn|err)\]/.test(line))

describe('C tor onion services on our relays', () => {
  for (const name of ['plain', 'limited', 'single']) {
    test(`${name}: a megabyte goes to the service and comes back whole`, async () => {
      const stream = await connect(name)
      const bytes = new SeededRng(name).bytes(megabyte)
      const [, received] = await Promise.all([stream.write(bytes), stream.readExactly(megabyte)])
      expect(Buffer.compare(bytes, received)).toBe(0)
      stream.destroy()
    })
  }

  test('neither C tor nor we have anything to warn of', () => {
    const nodes = join(folder, 'run/nodes')
    for (const node of readdirSync(nodes)) expect(warningsOf(join(nodes, node, 'node.log')).filter((line) => !aboutSetup.test(line)), node).toEqual([])
    expect(warningsOf(join(folder, 'single.log')).filter((line) => !aboutSetup.test(line))).toEqual([])
  })
})
