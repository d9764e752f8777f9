/** The control port over a made-up node, in virtual time: what controllers ask, and what they are told unasked. */

import { describe, expect, test } from 'vitest'
import { hexEncode, utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { durationMs, monotonicMs, seconds } from '../../src/core/base/time.ts'
import { parseConfigText, type ConfigLine } from '../../src/core/torrc/config-line.ts'
import { buildConfig, changeConfig, type TorConfig } from '../../src/core/torrc/config.ts'
import { ControlPort } from '../../src/node/control-port.ts'
import type { ControlledNode } from '../../src/node/controlled-node.ts'
import { NewsBoard } from '../../src/node/node-news.ts'
import type { NodeOwner } from '../../src/node/node.ts'
import type { NodeEvent, NodeInspection } from '../../src/runtime/events.ts'
import type { ByteStream, LogLevel, Runtime } from '../../src/runtime/index.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { madeUpConsensus } from '../support/made-up-consensus.ts'
import { madeUpFingerprint } from '../support/made-up-network.ts'

const controlAddress = { host: '10.0.0.1', port: 9051 }
const relays = [{ nickname: 'alpha' }, { nickname: 'beta' }, { nickname: 'gamma', exitsTo: 'all' as const }]
const { consensus, lookup } = madeUpConsensus(relays)
const fingerprints = relays.map((relay) => madeUpFingerprint(relay.nickname))

const inspection: NodeInspection = {
  nickname: 'x',
  version: 'v',
  roles: ['client'],
  stage: 'ready',
  bootstrap: { progress: 100, tag: 'done', summary: 'Done' },
  listeners: [{ listener: 'socks', address: { host: '127.0.0.1', port: 9050 } }, { listener: 'control', address: { host: '/run/control', port: 0 } }],
  consensus: [],
  descriptors: { wanted: 3, held: 3 },
  guards: [{ fingerprint: fingerprints[0] ?? '', nickname: 'alpha', state: 'primary, reachable' }],
  channels: [{ id: 1, state: 'open', initiator: true, remote: { host: '10.1.0.1', port: 9001 }, fingerprint: fingerprints[0] ?? '', circuits: 1, bytesRead: 1, bytesWritten: 2, queuedCells: 0 }],
  circuits: [
    {
      id: 7, role: 'origin', state: 'open', purpose: 'general', path: fingerprints, ageMs: 1500.25, queuedCells: 0,
      streams: [{ streamId: 5, state: 'open', target: 'example.com:80', bytesRead: 0, bytesWritten: 0 }],
    },
    { id: 8, role: 'relay', state: 'open', streams: [], ageMs: 1, queuedCells: 0 },
  ],
  warnings: [],
}

/** A controller on another machine. */
class Controller {
  received = ''
  closed = false
  #stream: ByteStream | undefined
  readonly #world: World

  constructor(world: World) {
    this.#world = world
    world.elsewhere.network.dial({ target: controlAddress, timeout: seconds(5) }, {
      onConnect: (stream) => {
        this.#stream = stream
        stream.start({ onData: (chunk) => (this.received += utf8Decode(chunk)), onEnd: () => (this.closed = true), onDrain: () => undefined, onClose: () => (this.closed = true) })
      },
      onError: (error) => {
        throw error
      },
    })
    world.run()
  }

  /** Sends a line and gives back what comes within a moment. */
  say(line: string): string {
    this.received = ''
    this.#stream?.write(utf8Encode(`${line}\r\n`))
    this.#world.run()
    return this.received
  }

  hangUp(): void {
    this.#stream?.destroy()
    this.#world.run()
  }
}

class World {
  readonly simulation = new Simulation({ seed: 'control' })
  readonly here: Runtime
  readonly elsewhere: Runtime
  readonly news = new NewsBoard()
  readonly done: string[] = []
  readonly events: NodeEvent[] = []
  readonly logFollowers = new Set<{ levels: ReadonlySet<LogLevel>; listener: (level: LogLevel, message: string) => void }>()
  readonly port: ControlPort
  config: TorConfig
  bytes = { read: 0, written: 0 }

  constructor(torrc = '') {
    this.here = this.simulation.addMachine({ name: 'here', addresses: [controlAddress.host] }).boot()
    this.elsewhere = this.simulation.addMachine({ name: 'elsewhere', addresses: ['10.0.0.2'] }).boot()
    this.config = buildConfig([parseConfigText(`ControlPort 10.0.0.1:9051\n${torrc}`)])
    const take = (next: TorConfig): void => {
      this.config = next
      this.port.reconfigure(next.options)
    }
    const owner: NodeOwner = {
      onEvent: () => undefined,
      processId: 4711,
      dataDirectory: '/data',
      config: {
        file: '/etc/torrc',
        defaultsFile: undefined,
        current: () => this.config,
        change: (lines: readonly ConfigLine[]) => take(changeConfig(this.config, lines)),
        replace: (text) => take(buildConfig([parseConfigText(text)])),
        reload: () => void this.done.push('reload'),
        save: () => void this.done.push('save'),
      },
      requestExit: (how) => void this.done.push(`exit ${how}`),
      followLog: (levels, listener) => {
        const follower = { levels, listener }
        this.logFollowers.add(follower)
        return { close: () => void this.logFollowers.delete(follower) }
      },
    }
    const node: ControlledNode = {
      inspect: () => inspection,
      documents: () => ({
        consensus: (flavour) => (flavour === 'microdesc' ? consensus : undefined),
        serverDescriptorOf: () => undefined,
        serverDescriptors: () => [],
        microdescriptor: (digest) => lookup.microdescriptor(digest),
        extraInfo: () => undefined,
      }),
      ownDocuments: () => undefined,
      directoryInfo: () => ({ enough: true, status: '' }),
      hasCircuit: () => true,
      addresses: () => ({}),
      isPublished: () => false,
      traffic: () => this.bytes,
      signal: (signal) => void this.done.push(`signal ${signal}`),
      buildCircuit: (path, onDone) => onDone(path?.[0] === 'nobody' ? new RelishError('unavailable', 'no such relay') : { id: 12 }),
      closeCircuit: (id) => id === 7,
    }
    this.port = new ControlPort({
      runtime: this.here,
      options: this.config.options,
      owner,
      node,
      news: this.news,
      onEvent: (event) => void this.events.push(event),
      onListenError: (error) => {
        throw error
      },
    })
    this.port.start()
    this.run()
  }

  run(ms = 50): void {
    this.simulation.runFor(durationMs(ms))
  }

  controller(): Controller {
    const controller = new Controller(this)
    expect(controller.say('AUTHENTICATE')).toBe('250 OK\r\n')
    return controller
  }
}

describe('authentication', () => {
  test('the cookie is in the data directory, and PROTOCOLINFO says where', () => {
    const world = new World('CookieAuthentication 1')
    const cookie = world.here.files.read('control_auth_cookie')
    expect(cookie).toHaveLength(32)
    const controller = new Controller(world)
    expect(controller.say('PROTOCOLINFO 1')).toContain('AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/data/control_auth_cookie"')
    expect(controller.say(`AUTHENTICATE ${hexEncode(cookie ?? new Uint8Array(0))}`)).toBe('250 OK\r\n')
    const other = new Controller(world)
    expect(other.say(`AUTHENTICATE ${'00'.repeat(32)}`)).toMatch(/^515 /)
    world.run(2500)
    expect(other.closed).toBe(true)
  })

  test('the owner is told of the listener', () => {
    expect(new World().events).toEqual([{ kind: 'listening', listener: 'control', address: controlAddress }])
  })
})

describe('GETINFO', () => {
  test('every key has an answer or says that it has none', () => {
    const controller = new World().controller()
    const names = [...controller.say('GETINFO info/names').matchAll(/^([a-z0-9/*-]+) -- (.+)\r$/gm)].map((match) => match[1] ?? '')
    expect(names.length).toBeGreaterThan(60)
    for (const name of names) {
      const rest = name.startsWith('net/') ? 'socks' : name.startsWith('ns/name') || name.startsWith('md/name') ? 'alpha' : fingerprints[0]
      expect(controller.say(`GETINFO ${name.replace('*', rest ?? '')}`), name).toMatch(/^(250[-+]|551 )/)
    }
  })

  test.each([
    ['process/pid', '250-process/pid=4711\r\n250 OK\r\n'],
    ['status/bootstrap-phase', '250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"\r\n250 OK\r\n'],
    ['net/listeners/socks', '250-net/listeners/socks="127.0.0.1:9050"\r\n250 OK\r\n'],
    ['net/listeners/control', '250-net/listeners/control="unix:/run/control"\r\n250 OK\r\n'],
    ['net/listeners/bogus', '552 Unrecognized key "net/listeners/bogus"\r\n'],
    ['orconn-status', `250-orconn-status=$${fingerprints[0]}~alpha CONNECTED\r\n250 OK\r\n`],
    ['entry-guards', `250-entry-guards=$${fingerprints[0]}~alpha up\r\n250 OK\r\n`],
    ['stream-status', `250-stream-status=${7 * 65536 + 5} SUCCEEDED 7 example.com:80\r\n250 OK\r\n`],
    ['fingerprint', '551 Not running in server mode\r\n'],
    ['config-file', '250-config-file=/etc/torrc\r\n250 OK\r\n'],
  ])('%s', (key, answer) => {
    expect(new World().controller().say(`GETINFO ${key}`)).toBe(answer)
  })

  test('circuits', () => {
    const answer = new World().controller().say('GETINFO circuit-status')
    const path = fingerprints.map((fingerprint, i) => `$${fingerprint}~${relays[i]?.nickname}`).join(',')
    expect(answer).toMatch(/TIME_CREATED=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\r\n250 OK\r\n$/)
    expect(answer.startsWith(`250-circuit-status=7 BUILT ${path} BUILD_FLAGS=NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED=`)).toBe(true)
  })

  test('a relay', () => {
    const byName = new World().controller().say('GETINFO ns/name/gamma')
    expect(byName).toContain('\r\nr gamma ')
    expect(byName).toContain('\r\ns Running Valid Stable Fast V2Dir Guard HSDir Exit\r\nw Bandwidth=1000\r\n.\r\n250 OK\r\n')
    expect(new World().controller().say(`GETINFO ns/id/${fingerprints[2]}`).replace(`ns/id/${fingerprints[2]}`, 'ns/name/gamma')).toBe(byName)
  })
})

describe('configuration', () => {
  test('is changed as a whole or not at all', () => {
    const world = new World('MaxCircuitDirtiness 5 minutes')
    const controller = world.controller()
    expect(controller.say('GETCONF maxcircuitdirtiness SocksPort ExitNodes')).toBe('250-MaxCircuitDirtiness=300\r\n250-SocksPort\r\n250 ExitNodes=\r\n'.replace('ExitNodes=', 'ExitNodes'))
    expect(controller.say('SETCONF MaxCircuitDirtiness=20 Nickname="bad name"')).toMatch(/^513 Unacceptable option value: Nickname/)
    expect(world.config.options.MaxCircuitDirtiness).toBe(300_000)
    expect(controller.say('SETCONF MaxCircuitDirtiness=20')).toBe('250 OK\r\n')
    expect(world.config.options.MaxCircuitDirtiness).toBe(20_000)
    controller.say('RESETCONF MaxCircuitDirtiness')
    expect(world.config.options.MaxCircuitDirtiness).toBe(600_000)
  })

  test('CONF_CHANGED tells what has changed', () => {
    const world = new World()
    const controller = world.controller()
    controller.say('SETEVENTS CONF_CHANGED')
    expect(controller.say('SETCONF Nickname=one Log="notice stdout" Log="warn stderr"')).toBe(
      '650-CONF_CHANGED\r\n650-Log=notice stdout\r\n650-Log=warn stderr\r\n650-Nickname=one\r\n650 OK\r\n250 OK\r\n',
    )
  })

  test('MAPADDRESS adds and removes mappings', () => {
    const world = new World('MapAddress a.example b.example')
    const controller = world.controller()
    controller.say('MAPADDRESS C.example=d.example')
    expect(world.config.options.MapAddress).toEqual([{ from: 'a.example', to: 'b.example' }, { from: 'c.example', to: 'd.example' }])
    controller.say('MAPADDRESS a.example=a.example')
    expect(world.config.options.MapAddress).toEqual([{ from: 'c.example', to: 'd.example' }])
    expect(controller.say('MAPADDRESS 0.0.0.0=x.example')).toMatch(/^512 /)
  })
})

test('signals and ownership', () => {
  const world = new World()
  const controller = world.controller()
  for (const signal of ['NEWNYM', 'RELOAD', 'SHUTDOWN', 'TERM', 'DUMP']) expect(controller.say(`SIGNAL ${signal}`)).toBe('250 OK\r\n')
  expect(world.done).toEqual(['signal NEWNYM', 'reload', 'signal HUP', 'exit SHUTDOWN', 'exit HALT', 'signal DUMP'])
  world.done.length = 0
  controller.say('TAKEOWNERSHIP')
  controller.hangUp()
  expect(world.done).toEqual(['exit HALT'])
})

test('circuits by command', () => {
  const controller = new World().controller()
  expect(controller.say('EXTENDCIRCUIT 0 alpha,beta,gamma')).toBe('250 EXTENDED 12\r\n')
  expect(controller.say('EXTENDCIRCUIT 0 nobody')).toBe('551 no such relay\r\n')
  expect(controller.say('CLOSECIRCUIT 7')).toBe('250 OK\r\n')
  expect(controller.say('CLOSECIRCUIT 9')).toBe('552 Unknown circuit "9"\r\n')
})

describe('events', () => {
  test('circuits, streams and links, to those who asked', () => {
    const world = new World()
    const controller = world.controller()
    expect(world.news.isFollowed).toBe(false)
    controller.say('SETEVENTS CIRC STREAM ORCONN')
    expect(world.news.isFollowed).toBe(true)
    controller.received = ''
    world.news.publish({ kind: 'circuit', status: 'EXTENDED', id: 3, purpose: 'directory', path: fingerprints.slice(0, 1), createdAt: monotonicMs(0) })
    world.news.publish({ kind: 'circuit', status: 'CLOSED', id: 3, purpose: 'general', path: [], createdAt: monotonicMs(0), reason: 'DESTROYED', remoteReason: 'FINISHED' })
    world.news.publish({ kind: 'stream', status: 'SUCCEEDED', circuit: 3, stream: 2, target: 'a.example:80' })
    world.news.publish({ kind: 'link', status: 'CLOSED', id: 4, remote: { host: '::1', port: 9 }, reason: 'DONE' })
    world.run()
    expect(controller.received.split('\r\n')).toEqual([
      `650 CIRC 3 EXTENDED $${fingerprints[0]}~alpha BUILD_FLAGS=ONEHOP_TUNNEL,IS_INTERNAL,NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED=2026-01-01T00:00:00.000000`,
      '650 CIRC 3 CLOSED BUILD_FLAGS=NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED=2026-01-01T00:00:00.000000 REASON=DESTROYED REMOTE_REASON=FINISHED',
      `650 STREAM ${3 * 65536 + 2} SUCCEEDED 3 a.example:80`,
      '650 ORCONN [::1]:9 CLOSED REASON=DONE ID=4',
      '',
    ])
    controller.say('SETEVENTS')
    expect(world.news.isFollowed).toBe(false)
  })

  test('bandwidth, once a second', () => {
    const world = new World()
    const controller = world.controller()
    controller.say('SETEVENTS BW')
    controller.received = ''
    world.bytes = { read: 100, written: 50 }
    world.run(2000)
    expect(controller.received).toBe('650 BW 100 50\r\n650 BW 0 0\r\n')
    expect(controller.say('GETINFO bw-event-cache')).toBe('250-bw-event-cache=100,50 0,0\r\n250 OK\r\n')
  })

  test('log messages of the levels that are wanted', () => {
    const world = new World()
    const controller = world.controller()
    controller.say('SETEVENTS NOTICE ERR')
    const [follower] = world.logFollowers
    expect([...(follower?.levels ?? [])]).toEqual(['notice', 'error'])
    controller.received = ''
    follower?.listener('notice', 'one line')
    follower?.listener('error', 'two\nlines')
    world.run()
    expect(controller.received).toBe('650 NOTICE one line\r\n650+ERR\r\ntwo\r\nlines\r\n.\r\n650 OK\r\n')
    controller.hangUp()
    expect(world.logFollowers.size).toBe(0)
  })

  test('bootstrap, consensuses and signals', () => {
    const world = new World()
    const controller = world.controller()
    controller.say('SETEVENTS STATUS_CLIENT NEWCONSENSUS SIGNAL')
    controller.received = ''
    world.port.handleNodeEvent({ kind: 'bootstrap', progress: 100, tag: 'done', summary: 'Done' })
    world.port.handleNodeEvent({ kind: 'consensus', flavour: 'microdesc', validAfter: 0, digest: '', relays: 3, signatures: 1 })
    world.run()
    expect(controller.received).toContain('650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"\r\n650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED\r\n650+NEWCONSENSUS\r\nr alpha ')
    expect(controller.say('SIGNAL HUP')).toBe('250 OK\r\n650 SIGNAL RELOAD\r\n')
  })
})

test('what is no command ends the connection', () => {
  const world = new World()
  const controller = world.controller()
  expect(controller.say('\x16\x03\x01')).toMatch(/^500 /)
  world.run(2500)
  expect(controller.closed).toBe(true)
})
