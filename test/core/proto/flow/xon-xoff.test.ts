import { describe, expect, it } from 'vitest'
import { RelishError } from '../../../../src/core/base/errors.ts'
import { monotonicMs } from '../../../../src/core/base/time.ts'
import { RelayCommand } from '../../../../src/core/cell/commands.ts'
import { decodeXon, encodeXoff, encodeXon } from '../../../../src/core/cell/stream-messages.ts'
import { NetworkParameters } from '../../../../src/core/netdir/parameters.ts'
import { ClockHealth } from '../../../../src/core/proto/flow/round-trip.ts'
import type { FlowMessage } from '../../../../src/core/proto/flow/stream-flow.ts'
import { StreamPace } from '../../../../src/core/proto/flow/stream-pace.ts'
import { XonXoff, type StreamEnd } from '../../../../src/core/proto/flow/xon-xoff.ts'
import { congestionParameters } from '../../../../src/node/flow-parameters.ts'

const { streams: parameters } = congestionParameters(new NetworkParameters())
const limit = 500 * 498
const at = monotonicMs
const xoff = encodeXoff()
const xon = (kilobytesPerSec: number): Uint8Array => encodeXon({ kilobytesPerSec })
const words = (messages: readonly FlowMessage[]): string[] => messages.map(({ command, body }) => (command === RelayCommand.XON ? `XON ${decodeXon(body).kilobytesPerSec}` : RelayCommand.nameOf(command)))

function flow(end: StreamEnd = 'exit', clock = new ClockHealth()): XonXoff {
  const made = new XonXoff(parameters, end, clock)
  made.handleAnswered()
  return made
}

/** Bytes came and nobody took them, long enough for XOFF. */
function stopped(end: StreamEnd = 'exit'): XonXoff {
  const made = flow(end)
  made.handleReceived(at(0), 501, limit + 1)
  expect(words(made.handleReceived(at(6), 1, 498))).toEqual(['XOFF'])
  return made
}

const kindOf = (act: () => unknown): string => {
  try {
    act()
  } catch (thrown) {
    return thrown instanceof RelishError ? thrown.kind : 'other'
  }
  return 'none'
}

describe('a slow reader', () => {
  it('gets XOFF sent when too much has piled up for longer than a moment, and only once', () => {
    const made = flow()
    expect(made.handleReceived(at(0), 500, limit)).toEqual([])
    expect(made.handleReceived(at(1), 1, 1)).toEqual([])
    expect(made.handleReceived(at(6), 1, 1)).toEqual([])
    expect(words(made.handleReceived(at(7), 1, 1))).toEqual(['XOFF'])
    expect(made.handleReceived(at(100), 1, 1)).toEqual([])
  })

  it('that takes what has piled up in time needs no XOFF', () => {
    const made = flow()
    made.handleReceived(at(0), 501, limit + 1)
    made.handleDelivered(at(3), 501, limit + 1)
    made.handleReceived(at(4), 501, limit + 1)
    expect(made.handleReceived(at(8), 1, 1)).toEqual([])
  })

  it('is not told of before the stream is answered', () => {
    const made = new XonXoff(parameters, 'exit', new ClockHealth())
    made.handleReceived(at(0), 1000, 2 * limit)
    expect(made.handleReceived(at(50), 1, 1)).toEqual([])
    made.handleAnswered()
    made.handleReceived(at(60), 1, 1)
    expect(words(made.handleReceived(at(66), 1, 1))).toEqual(['XOFF'])
  })

  it('gets XON sent once everything is gone, with the rate at which it went', () => {
    const made = stopped()
    // 250 kB within half a second make a measurement; the rest is too little for another.
    expect(made.handleDelivered(at(506), 502, limit + 400)).toEqual([])
    expect(words(made.handleDelivered(at(600), 1, 99))).toEqual([`XON ${Math.floor((limit + 400) / 506)}`])
  })

  it('gets XON without a rate where none could be taken', () => {
    const made = new XonXoff({ ...parameters, xonRateCells: 5000 }, 'exit', new ClockHealth())
    made.handleAnswered()
    made.handleReceived(at(0), 501, limit + 1)
    made.handleReceived(at(6), 1, 1)
    expect(words(made.handleDelivered(at(1000), 502, limit + 2))).toEqual(['XON 0'])
    const stalled = new ClockHealth()
    const other = flow('exit', stalled)
    other.handleReceived(at(0), 501, limit + 1)
    other.handleReceived(at(6), 1, 1)
    stalled.isStalled = true
    expect(words(other.handleDelivered(at(1000), 502, limit + 2))).toEqual(['XON 0'])
  })

  it('has its rate told again when that changes by much', () => {
    const made = stopped()
    made.handleDelivered(at(506), 502, limit + 499)
    const seen: string[] = []
    // Twice as fast from now on, with something piled up all the time.
    made.handleReceived(at(600), 1, 498)
    for (let turn = 1; turn <= 8; turn++) {
      seen.push(...words(made.handleReceived(at(600 + turn * 250), 502, limit + 996)))
      seen.push(...words(made.handleDelivered(at(600 + turn * 250 + 249), 502, limit + 996)))
    }
    // From 493 to 833 it is told, from there towards 1000 it is not.
    expect(seen).toEqual(['XON 833'])
  })
})

describe('a peer that says stop', () => {
  it('is not sent to until it says go on', () => {
    const made = flow()
    expect(made.available(at(0))).toBe(Number.POSITIVE_INFINITY)
    made.handleMessage(at(0), RelayCommand.XOFF, xoff)
    expect(made.available(at(1))).toBe(0)
    expect(made.pacedUntil).toBeUndefined()
    made.handleMessage(at(2), RelayCommand.XON, xon(0))
    expect(made.available(at(2))).toBe(Number.POSITIVE_INFINITY)
  })

  it('is sent to at its rate: a second’s worth at once, then as much as time brings', () => {
    const made = flow()
    made.handleMessage(at(0), RelayCommand.XON, xon(100))
    const burst = made.available(at(0))
    expect(burst).toBe(Math.ceil(100_000 / 498))
    made.handleSent(burst, burst * 498)
    expect(made.available(at(0))).toBe(0)
    const until = made.pacedUntil
    expect(until).toBeGreaterThan(150)
    expect(until).toBeLessThan(165)
    expect(made.available(at(100))).toBe(0)
    expect(made.available(until ?? at(0))).toBeGreaterThanOrEqual(31)
  })

  it('is held to what our bytes can have caused, where we are the client', () => {
    expect(kindOf(() => flow('client-of-exit').handleMessage(at(0), RelayCommand.XOFF, xoff))).toBe('protocol')
    expect(kindOf(() => flow('onion').handleMessage(at(0), RelayCommand.XON, xon(5)))).toBe('protocol')
    expect(kindOf(() => flow('exit').handleMessage(at(0), RelayCommand.XOFF, xoff))).toBe('none')
    const made = flow('client-of-exit')
    made.handleSent(500, 500 * 488)
    made.handleMessage(at(0), RelayCommand.XOFF, xoff)
    made.handleMessage(at(0), RelayCommand.XON, xon(5))
    made.handleMessage(at(0), RelayCommand.XON, xon(5))
    expect(kindOf(() => made.handleMessage(at(0), RelayCommand.XON, xon(5)))).toBe('protocol')
    expect(kindOf(() => made.handleMessage(at(0), RelayCommand.XOFF, xoff))).toBe('protocol')
  })

  it('gains little from bytes sent long ago', () => {
    const made = flow('client-of-exit')
    for (let i = 0; i < 100; i++) made.handleSent(1000, 498_000)
    // Of fifty megabytes between five and ten still count: no more than 42 times 244 kB.
    let taken = 0
    while (kindOf(() => made.handleMessage(at(0), RelayCommand.XOFF, xoff)) === 'none' && taken < 1000) {
      made.handleMessage(at(0), RelayCommand.XON, xon(0))
      taken++
    }
    expect(taken).toBeGreaterThan(10)
    expect(taken).toBeLessThan(43)
  })

  it('breaks the protocol with XOFF upon XOFF, unknown versions, and SENDMEs', () => {
    const made = flow()
    made.handleMessage(at(0), RelayCommand.XOFF, xoff)
    expect(kindOf(() => made.handleMessage(at(0), RelayCommand.XOFF, xoff))).toBe('protocol')
    expect(kindOf(() => made.handleMessage(at(0), RelayCommand.XON, Uint8Array.of(1, 0, 0, 0, 0)))).toBe('protocol')
    expect(kindOf(() => made.handleMessage(at(0), RelayCommand.XON, Uint8Array.of(0, 0)))).toBe('protocol')
    expect(kindOf(() => made.handleMessage(at(0), RelayCommand.SENDME, new Uint8Array(0)))).toBe('protocol')
  })
})

describe('a pace', () => {
  it('sends what it should over a long time', () => {
    const pace = new StreamPace()
    pace.setRate(at(0), 50_000)
    let now = 0
    let sent = 0
    while (now < 20_000) {
      const cells = pace.available(at(now))
      if (cells > 0) {
        pace.handleSent(cells * 498)
        sent += cells * 498
      } else {
        expect(pace.until).toBeGreaterThan(now)
        now = pace.until ?? Number.NaN
      }
    }
    // A second's worth more, since the bucket was full.
    expect(sent / 50_000).toBeGreaterThan(20)
    expect(sent / 50_000).toBeLessThan(22)
  })
})
