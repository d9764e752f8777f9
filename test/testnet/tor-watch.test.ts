import { PassThrough, Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { latin1Decode } from '../../src/core/base/encoding.ts'
import { formatIsoTime, type WallMs } from '../../src/core/base/time.ts'
import { emitEvent } from '../../src/core/control/reply.ts'
import { parseConsensus } from '../../src/core/netdoc/consensus.ts'
import type { NodeEvent } from '../../src/runtime/events.ts'
import { TorControl } from '../../src/testnet/tor-control.ts'
import { inspectTor, parseListeners } from '../../src/testnet/tor-inspection.ts'
import { TorWatch } from '../../src/testnet/tor-watch.ts'
import { captured } from '../core/netdoc/vectors.ts'

const own = 'A'.repeat(40)
const guard = 'B'.repeat(40)
const exit = 'C'.repeat(40)

/** The control port of a C tor that answers from a table. */
class FakeTor {
  readonly answers = new Map<string, string>([
    ['version', '0.4.9.11'],
    ['fingerprint', own],
    ['net/listeners/or', '"127.2.3.4:5000"'],
    ['status/bootstrap-phase', 'NOTICE BOOTSTRAP PROGRESS=0 TAG=starting SUMMARY="Starting"'],
    ['consensus/valid-after', ''],
    ['status/enough-dir-info', '0'],
    ['status/circuit-established', '0'],
  ])
  readonly commands: string[] = []
  readonly stream: Duplex
  readonly #out = new PassThrough()

  constructor() {
    this.stream = Duplex.from({ readable: this.#out, writable: this.#commands() })
  }

  say(text: string): void {
    this.#out.write(emitEvent(text))
  }

  #commands(): PassThrough {
    const input = new PassThrough()
    input.on('data', (chunk: Buffer) => {
      for (const line of latin1Decode(chunk).split('\r\n').filter((one) => one !== '')) this.#answer(line)
    })
    return input
  }

  #answer(line: string): void {
    this.commands.push(line)
    const [command, ...keys] = line.split(' ')
    const known = keys.map((key) => [key, this.answers.get(key)] as const)
    const missing = command === 'GETINFO' ? known.find(([, value]) => value === undefined) : undefined
    if (missing !== undefined) this.#out.write(`552 Unrecognized key "${missing[0]}"\r\n`)
    else if (command === 'GETINFO') this.#out.write(`${known.map(([key, value = '']) => (value.includes('\n') ? `250+${key}=\r\n${value.replaceAll('\n', '\r\n')}\r\n.\r\n` : `250-${key}=${value}\r\n`)).join('')}250 OK\r\n`)
    else this.#out.write('250 OK\r\n')
  }
}

function watched(role: 'exit' | 'client' | 'authority'): { tor: FakeTor; events: NodeEvent[]; control: TorControl; watch: TorWatch } {
  const tor = new FakeTor()
  const events: NodeEvent[] = []
  const control = new TorControl({ name: 'node', stream: tor.stream, onEvent: (name, words, data) => watch.handleEvent(name, words, data) })
  const watch = new TorWatch(control, { role, authorities: 2, emit: (event) => events.push(event) })
  return { tor, events, control, watch }
}

const stagesOf = (events: readonly NodeEvent[]): string[] => events.flatMap((event) => (event.kind === 'stage' ? [event.stage] : []))
const lastStage = (events: readonly NodeEvent[]): string | undefined => stagesOf(events).at(-1)

describe('what C tor says of itself', () => {
  test('becomes the stages of a relay, in order', async () => {
    const { tor, events, watch } = watched('exit')
    await watch.begin()
    await expect.poll(() => lastStage(events)).toBe('listening')
    expect(events).toContainEqual({ kind: 'listening', listener: 'or', address: { host: '127.2.3.4', port: 5000 } })

    tor.say('STATUS_SERVER NOTICE ACCEPTED_SERVER_DESCRIPTOR DIRAUTH=127.1.3.4:7000')
    await expect.poll(() => events.some((event) => event.kind === 'waiting' && event.waitingFor.startsWith('more authorities to take its descriptor (1 of 2 have)'))).toBe(true)
    expect(lastStage(events)).toBe('listening')
    tor.say('STATUS_SERVER NOTICE ACCEPTED_SERVER_DESCRIPTOR DIRAUTH=127.2.3.4:7000')
    await expect.poll(() => lastStage(events)).toBe('published')

    tor.answers.set('consensus/valid-after', '2026-01-01 00:00:00')
    tor.answers.set(`ns/id/${own}`, 'r node AA BB 2026-01-01 00:00:00 127.2.3.4 5000 0\ns Exit Valid\nw Bandwidth=1')
    tor.say('NEWCONSENSUS')
    await expect.poll(() => lastStage(events)).toBe('consensus')
    tor.answers.set(`ns/id/${own}`, 'r node AA BB 2026-01-01 00:00:00 127.2.3.4 5000 0\ns Exit Running Valid\nw Bandwidth=1')
    tor.answers.set('status/enough-dir-info', '1')
    tor.say('STATUS_CLIENT NOTICE ENOUGH_DIR_INFO')
    await expect.poll(() => lastStage(events)).toBe('directory')
    tor.answers.set('status/circuit-established', '1')
    tor.say('STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED')
    await expect.poll(() => lastStage(events)).toBe('ready')
    expect(stagesOf(events)).toEqual(['keys', 'listening', 'published', 'consensus', 'listed', 'directory', 'circuit', 'ready'])
  })

  test('tells of the consensus that it uses, and not of an older one that it keeps', async () => {
    const { tor, events, watch } = watched('client')
    await watch.begin()
    const [ns, microdesc] = [captured('consensus-ns').trimEnd(), captured('consensus-microdesc').trimEnd()]
    const validAfter = formatIsoTime(parseConsensus(microdesc).validAfter)
    tor.answers.set('dir/status-vote/current/consensus', ns.replace(/^valid-after .*$/m, 'valid-after 2020-01-01 00:00:00'))
    tor.answers.set('dir/status-vote/current/consensus-microdesc', microdesc)
    tor.answers.set('consensus/valid-after', validAfter)
    tor.say('NEWCONSENSUS')
    await expect.poll(() => lastStage(events)).toBe('consensus')
    expect(events.flatMap((event) => (event.kind === 'consensus' ? [[event.flavour, formatIsoTime(event.validAfter as WallMs)]] : []))).toEqual([['microdesc', validAfter]])
  })

  test('gives bootstrap phases and warnings', async () => {
    const { tor, events, watch } = watched('client')
    await watch.begin()
    tor.say('STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=45 TAG=requesting_descriptors SUMMARY="Asking for \\"relay\\" descriptors"')
    tor.say('WARN something is not right')
    await expect.poll(() => events.some((event) => event.kind === 'warning')).toBe(true)
    expect(events).toContainEqual({ kind: 'bootstrap', progress: 45, tag: 'requesting_descriptors', summary: 'Asking for "relay" descriptors' })
    expect(events).toContainEqual({ kind: 'warning', level: 'warn', message: 'something is not right' })
  })
})

test('circuits, streams, links and guards become an inspection', async () => {
  const { tor, control, watch } = watched('client')
  await watch.begin()
  tor.answers.set('circuit-status', `7 BUILT $${guard}~guard,$${own}~middle,$${exit}~exit BUILD_FLAGS=NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED=2026-01-01T00:00:00.000000\n8 LAUNCHED PURPOSE=GENERAL`)
  tor.answers.set('stream-status', '12 SUCCEEDED 7 127.254.3.4:80')
  tor.answers.set('orconn-status', `$${guard}~guard CONNECTED`)
  tor.answers.set('entry-guards', `$${guard}~guard up`)
  const { waitingFor, ...state } = watch.state
  const inspection = await inspectTor(control, { nickname: 'node', version: 'Tor 0.4.9.11', roles: ['client'], ...state, waitingFor, ed25519: undefined, listeners: [], warnings: [] })
  expect(inspection.guards).toEqual([{ fingerprint: guard, nickname: 'guard', state: 'up' }])
  expect(inspection.channels).toMatchObject([{ state: 'open', fingerprint: guard }])
  expect(inspection.circuits).toMatchObject([
    { id: 7, role: 'origin', state: 'open', purpose: 'general', path: [guard, own, exit], streams: [{ streamId: 12, state: 'succeeded', target: '127.254.3.4:80' }] },
    { id: 8, state: 'building', path: [], streams: [] },
  ])
})

test('a refused command says who refused it, and one after the end that nobody is there', async () => {
  const { control } = watched('client')
  await expect(control.getInfo(['no/such/key'])).rejects.toMatchObject({ kind: 'refused', message: 'node: GETINFO: 552 Unrecognized key "no/such/key"' })
  expect(await control.ask('no/such/key')).toBeUndefined()
  control.close()
  await expect(control.command('SIGNAL NEWNYM')).rejects.toMatchObject({ kind: 'unavailable' })
})

test('listeners on sockets of the file system are no addresses', () => {
  expect(parseListeners('"127.0.0.1:9050" "unix:/run/tor/socks" "[::1]:9050"')).toEqual([{ host: '127.0.0.1', port: 9050 }, { host: '::1', port: 9050 }])
})
