import { describe, expect, test } from 'vitest'
import { days, hours, minutes, seconds } from '../../src/core/base/time.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import type { TorOptions } from '../../src/core/torrc/option-table.ts'
import { BandwidthHistory, PERIOD_SECONDS } from '../../src/node/bandwidth-history.ts'
import { bandwidthLimits } from '../../src/node/bandwidth-buckets.ts'
import { BandwidthMeter } from '../../src/node/bandwidth-meter.ts'
import { BandwidthWatch } from '../../src/node/bandwidth-watch.ts'
import { meteredRuntime } from '../../src/node/metered-network.ts'
import { StateStore } from '../../src/node/state-store.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import type { ByteStream } from '../../src/runtime/index.ts'

const t0 = 1_700_000_000

const parseTorrc = (text: string): TorOptions => buildConfig([parseConfigText(`DataDirectory d\nNickname r\nContactInfo x\n${text}`, 'torrc')]).options

describe('the history of one direction', () => {
  test('the best ten seconds on end, wherever they begin', () => {
    const history = new BandwidthHistory(t0)
    for (let i = 0; i < 30; i++) history.add(t0 + i, i === 17 || i === 25 ? 5000 : 100)
    expect(history.best(t0 + 30, 0)).toBe(2 * 5000 + 8 * 100)
    // Nothing more passes: the best stays.
    expect(history.best(t0 + 5000, 0)).toBe(10_800)
  })

  test('eleven seconds apart do not add up', () => {
    const history = new BandwidthHistory(t0)
    history.add(t0, 7)
    history.add(t0 + 10, 8)
    expect(history.best(t0 + 11, 0)).toBe(8)
  })

  test('the second that is not over does not count', () => {
    const history = new BandwidthHistory(t0)
    history.add(t0, 1000)
    expect(history.best(t0, 0)).toBe(0)
    expect(history.best(t0 + 1, 0)).toBe(1000)
  })

  test('a period younger than asked for does not count, one that is over does', () => {
    const history = new BandwidthHistory(t0)
    history.add(t0, 1000)
    expect(history.best(t0 + PERIOD_SECONDS - 1, PERIOD_SECONDS)).toBe(0)
    expect(history.best(t0 + PERIOD_SECONDS, PERIOD_SECONDS)).toBe(1000)
  })

  test('bytes of the past are left out', () => {
    const history = new BandwidthHistory(t0)
    history.add(t0 + 5, 10)
    history.add(t0 + 4, 10_000)
    expect(history.best(t0 + 60, 0)).toBe(10)
  })

  test('the line has whole kibibytes of the days that are over, five at most', () => {
    const history = new BandwidthHistory(t0)
    expect(history.line(t0, Number.POSITIVE_INFINITY)).toBeUndefined()
    for (let day = 0; day < 7; day++) history.add(t0 + day * PERIOD_SECONDS + 100, 1024 * (day + 1) + 1000)
    expect(history.line(t0 + 3 * PERIOD_SECONDS, Number.POSITIVE_INFINITY)).toBeDefined()
    expect(history.line(t0 + 7 * PERIOD_SECONDS, 6000)).toBe('2023-11-21 22:13:20 (86400 s) 3072,4096,5120,6000,6000')
    // Five days on, the last of them is forgotten too.
    expect(history.best(t0 + 12 * PERIOD_SECONDS, 0)).toBe(0)
  })

  test('goes on after a restart with what was saved', () => {
    const history = new BandwidthHistory(t0)
    history.add(t0 + 10, 50_000)
    history.add(t0 + PERIOD_SECONDS + 10, 200_000)
    const savedAt = t0 + PERIOD_SECONDS + 3600
    const saved = history.save(savedAt)
    expect(saved).toEqual({ ends: '2023-11-16 22:13:20', intervalSec: '86400', values: '49152,199680', maxima: '4096,19456' })

    const loaded = BandwidthHistory.load(saved, savedAt + 60)
    expect(loaded.best(savedAt + 61, 0)).toBe(194_560)
    expect(loaded.line(savedAt + 61, Number.POSITIVE_INFINITY)).toBe('2023-11-15 22:13:20 (86400 s) 49152')
    loaded.add(savedAt + 62, 10_240)
    expect(loaded.line(t0 + 2 * PERIOD_SECONDS, Number.POSITIVE_INFINITY)).toBe('2023-11-16 22:13:20 (86400 s) 49152,209920')
  })

  test.each([
    ['of the future', { ends: '2023-11-20 22:13:20' }],
    ['too old', { ends: '2023-11-08 22:13:20' }],
    ['of other periods', { intervalSec: '900' }],
    ['of no numbers', { values: '12,x' }],
    ['with too few maxima', { maxima: '12' }],
    ['with too many values', { values: '1,1,1,1,1,1,1', maxima: '1,1,1,1,1,1,1' }],
    ['without a time', { ends: undefined }],
  ])('a saved history %s is not used', (_what, change) => {
    const saved = { ends: '2023-11-15 22:13:20', intervalSec: '86400', values: '1024,1024', maxima: '1024,1024' }
    expect(BandwidthHistory.load(saved, t0 + 60).best(t0 + 61, 0)).toBe(10_240)
    expect(BandwidthHistory.load({ ...saved, ...change }, t0 + 60).best(t0 + 61, 0)).toBe(0)
  })
})

describe('a relay that watches its connections', () => {
  function world(address: string, torrc: string) {
    const sim = new Simulation({ seed: 'bandwidth' })
    const machine = sim.addMachine({ name: 'relay', addresses: [address] })
    const runtime = machine.boot()
    const peer = sim.addMachine({ name: 'peer', addresses: ['198.51.100.1'] }).boot()
    const options = parseTorrc(`ORPort ${address}:9001\n${torrc}`)
    const state = new StateStore(runtime, '0.4.9.11')
    const meter = new BandwidthMeter(runtime, state, () => options)
    const metered = meteredRuntime(runtime, (host) => meter.counterFor(host), bandwidthLimits(runtime, () => options))
    let stream: ByteStream | undefined
    peer.network.listen({ host: '198.51.100.1', port: 80 }, {
      onListening: () => {},
      onConnection: (accepted) => accepted.start({ onData: (chunk) => void accepted.write(chunk.slice()), onEnd: () => accepted.end(), onDrain: () => {}, onClose: () => {} }),
      onError: (error) => { throw error },
    })
    let received = 0
    metered.network.dial({ target: { host: '198.51.100.1', port: 80 }, timeout: seconds(30) }, {
      onConnect: (opened) => {
        stream = opened
        opened.start({ onData: (chunk) => { received += chunk.length }, onEnd: () => {}, onDrain: () => {}, onClose: () => {} })
      },
      onError: (error) => { throw error },
    })
    sim.runUntil(() => stream !== undefined, seconds(30))
    const echo = (bytes: number): void => {
      const before = received
      stream?.write(new Uint8Array(bytes))
      if (!sim.runUntil(() => received === before + bytes, minutes(5))) throw new Error('waited in vain for the echo')
      sim.runFor(seconds(11))
    }
    return { sim, runtime, state, meter, echo }
  }

  test('tells the mean of the best ten seconds, and says so anew when it has doubled', () => {
    const { sim, runtime, meter, echo } = world('192.0.2.1', 'TestingTorNetwork 1\nDirAuthority a orport=1 v3ident=0000000000000000000000000000000000000000 192.0.2.9:1 1111111111111111111111111111111111111111')
    let published: number | undefined
    const changes: number[] = []
    const watch = new BandwidthWatch({
      runtime, meter, testing: () => true, published: () => published,
      onChanged: () => { published = meter.observed(); changes.push(published) },
    })
    watch.start()
    sim.runFor(minutes(2))
    // There is no descriptor yet, and then one that says nothing was seen.
    published = 0
    sim.runFor(minutes(2))
    echo(50_000)
    sim.runFor(minutes(2))
    echo(90_000)
    sim.runFor(minutes(2))
    echo(120_000)
    sim.runFor(minutes(2))
    expect(changes).toEqual([5000, 12_000])
    watch.stop()
  })

  test('outside of testing networks, a day has to pass first, and private addresses do not count', () => {
    const { sim, meter, state, runtime, echo } = world('192.0.2.1', '')
    echo(50_000)
    expect(meter.observed()).toBe(0)
    expect(meter.lines()).toEqual([])
    expect(meter.counterFor('10.0.0.1')).toBeUndefined()
    sim.runFor(days(1))
    expect(meter.observed()).toBe(5000)
    expect(meter.lines().map((line) => `${line.keyword} ${line.text.replace(/^\S+ \S+ /, '')}`)).toEqual([
      'write-history (86400 s) 49152', 'read-history (86400 s) 49152', 'ipv6-write-history (86400 s) 0', 'ipv6-read-history (86400 s) 0',
      'dirreq-write-history (86400 s) 0', 'dirreq-read-history (86400 s) 0',
    ])
    meter.save()
    state.flush()
    sim.runFor(hours(1))
    const restarted = new BandwidthMeter(runtime, new StateStore(runtime, '0.4.9.11'), () => parseTorrc('ORPort 192.0.2.1:9001'))
    // Saved in whole kibibytes a second.
    expect(restarted.observed()).toBe(4096)
    expect(restarted.lines()).toEqual(meter.lines())
  })
})

describe('limits', () => {
  /** A relay and a peer that answers a byte with `answer` bytes, in chunks, minding what it is told of full buffers. */
  function world(torrc: string) {
    const sim = new Simulation({ seed: 'limits' })
    const runtime = sim.addMachine({ name: 'relay', addresses: ['203.0.113.1'] }).boot()
    const peer = sim.addMachine({ name: 'peer', addresses: ['198.51.100.1'] }).boot()
    const state = new StateStore(runtime, '0.4.9.11')
    const file = (text: string): TorOptions => parseTorrc(`ORPort 203.0.113.1:9001\n${text}`)
    const torrcNow = { options: file(torrc) }
    const meter = new BandwidthMeter(runtime, state, () => torrcNow.options)
    const limited = meteredRuntime(runtime, (host) => meter.counterFor(host), bandwidthLimits(runtime, () => torrcNow.options))
    return { sim, runtime, peer, limited, file, torrcNow }
  }
  type World = ReturnType<typeof world>

  const silent = { onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined }
  const refused = (error: unknown): never => {
    throw error
  }

  /** Sends so many bytes from one to the other, as fast as back pressure allows. Gives how many have arrived so far, and whether the end has. */
  function transfer(from: World['peer'], to: World['peer'], toHost: string, port: number, bytes: number): { arrived: number; ended: boolean } {
    const progress = { arrived: 0, ended: false }
    to.network.listen({ host: toHost, port }, {
      onListening: () => undefined,
      onConnection: (stream) => stream.start({ ...silent, onData: (chunk) => { progress.arrived += chunk.length }, onEnd: () => { progress.ended = true } }),
      onError: refused,
    })
    from.network.dial({ target: { host: toHost, port }, timeout: seconds(30) }, {
      onConnect: (stream) => {
        let left = bytes
        const write = (): void => {
          while (left > 0) {
            const chunk = Math.min(left, 10_000)
            left -= chunk
            if (!stream.write(new Uint8Array(chunk)) && left > 0) return
          }
          stream.end()
        }
        stream.start({ ...silent, onData: () => undefined, onDrain: write })
        write()
      },
      onError: refused,
    })
    return progress
  }

  test('what is sent keeps to the rate after the burst, whole and to the end', () => {
    const { sim, peer, limited } = world('BandwidthRate 100 KB\nBandwidthBurst 200 KB')
    const progress = transfer(limited, peer, '198.51.100.1', 80, 1_000_000)
    sim.runFor(seconds(1))
    expect(progress.arrived).toBeGreaterThan(250_000)
    expect(progress.arrived).toBeLessThan(360_000)
    sim.runFor(seconds(5))
    expect(progress).toMatchObject({ ended: false })
    sim.runFor(seconds(3))
    expect(progress).toEqual({ arrived: 1_000_000, ended: true })
  })

  test('what is received does, too, by reading no faster', () => {
    const { sim, peer, limited } = world('BandwidthRate 100 KB\nBandwidthBurst 200 KB')
    const progress = transfer(peer, limited, '203.0.113.1', 9030, 1_000_000)
    sim.runFor(seconds(4))
    expect(progress.arrived).toBeGreaterThan(500_000)
    expect(progress.arrived).toBeLessThan(720_000)
    sim.runFor(seconds(6))
    expect(progress).toEqual({ arrived: 1_000_000, ended: true })
  })

  test('several connections share, none goes without', () => {
    const { sim, peer, limited } = world('BandwidthRate 100 KB\nBandwidthBurst 100 KB')
    const all = [80, 81, 82, 83].map((port) => transfer(limited, peer, '198.51.100.1', port, 1_000_000))
    sim.runFor(seconds(8))
    const arrived = all.map((one) => one.arrived)
    expect(arrived.reduce((sum, one) => sum + one, 0)).toBeLessThan(1_000_000)
    expect(Math.min(...arrived)).toBeGreaterThan(Math.max(...arrived) / 2)
  })

  test('RelayBandwidthRate is for what is relayed: an exit leaves by the other limit', () => {
    const { sim, peer, limited } = world('RelayBandwidthRate 80 KB')
    const exit = transfer(limited, peer, '198.51.100.1', 80, 1_000_000)
    const directory = transfer(peer, limited, '203.0.113.1', 9030, 1_000_000)
    sim.runFor(seconds(2))
    expect(exit).toEqual({ arrived: 1_000_000, ended: true })
    expect(directory.arrived).toBeLessThan(400_000)
  })

  test('a changed rate holds at once', () => {
    const { sim, peer, limited, file, torrcNow } = world('BandwidthRate 80 KB\nBandwidthBurst 80 KB')
    const progress = transfer(limited, peer, '198.51.100.1', 80, 2_000_000)
    sim.runFor(seconds(2))
    expect(progress.ended).toBe(false)
    torrcNow.options = file('BandwidthRate 10 MB\nBandwidthBurst 10 MB')
    sim.runFor(seconds(2))
    expect(progress).toEqual({ arrived: 2_000_000, ended: true })
  })

  test('a connection that is closed while it waits leaves nothing behind', () => {
    const { sim, peer, limited } = world('BandwidthRate 80 KB\nBandwidthBurst 80 KB')
    let closed = 0
    peer.network.listen({ host: '198.51.100.1', port: 80 }, { onListening: () => undefined, onConnection: (stream) => stream.start({ ...silent, onData: () => undefined }), onError: refused })
    limited.network.dial({ target: { host: '198.51.100.1', port: 80 }, timeout: seconds(30) }, {
      onConnect: (stream) => {
        const onClose = (): void => {
          closed++
          stream.write(new Uint8Array(10_000))
        }
        stream.start({ ...silent, onData: () => undefined, onDrain: () => refused(new Error('nothing drains after the end')), onClose })
        for (let i = 0; i < 50; i++) stream.write(new Uint8Array(10_000))
        expect(stream.bufferedBytes).toBeGreaterThan(300_000)
        stream.destroy()
      },
      onError: refused,
    })
    sim.runFor(minutes(1))
    expect(closed).toBe(1)
  })
})
