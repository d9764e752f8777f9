import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RelishError } from '../../../../src/core/base/errors.ts'
import { monotonicMs } from '../../../../src/core/base/time.ts'
import { NetworkParameters } from '../../../../src/core/netdir/parameters.ts'
import { CircuitFlow } from '../../../../src/core/proto/flow/circuit-flow.ts'
import { PENDING_SENDME_TAGS_MAX } from '../../../../src/core/proto/flow/limits.ts'
import { ClockHealth, RoundTripTime } from '../../../../src/core/proto/flow/round-trip.ts'
import { Vegas, VegasWindow } from '../../../../src/core/proto/flow/vegas.ts'
import { congestionParameters, flowParameters } from '../../../../src/node/flow-parameters.ts'

type Row = readonly number[]
const vectors = JSON.parse(readFileSync(new URL('../../../vectors/c-tor-0.4.9.11/congestion/congestion-control.json', import.meta.url), 'utf8')) as {
  readonly clock: readonly Row[]
  readonly roundTrip: readonly Row[]
  readonly vegas: readonly (readonly Row[])[]
}
const parameters = congestionParameters(new NetworkParameters())
const increment = 31
const number = (row: Row, column: number): number => row[column] ?? Number.NaN

describe('a clock that stands still or jumps', () => {
  it('is found out as C tor does', () => {
    const clock = new ClockHealth()
    vectors.clock.forEach((row, step) => {
      const roundTrip = new RoundTripTime(parameters, clock)
      roundTrip.smoothedUs = number(row, 0)
      const used = roundTrip.handleMeasurement(number(row, 1), 2, number(row, 2) === 1, false)
      expect([clock.isStalled, !used], `step ${step}`).toEqual([number(row, 3) === 1, number(row, 4) === 1])
    })
  })
})

describe('round trips', () => {
  it('are smoothed as C tor does', () => {
    const roundTrip = new RoundTripTime(parameters, new ClockHealth())
    vectors.roundTrip.forEach((row, step) => {
      const [window, inSlowStart] = [number(row, 2), number(row, 3) === 1]
      roundTrip.handleMeasurement(number(row, 1) - number(row, 0), 2, inSlowStart, window === parameters.windowMin && !inSlowStart)
      expect([roundTrip.smoothedUs, roundTrip.leastUs], `step ${step}`).toEqual(row.slice(5, 7))
    })
    expect(roundTrip.greatestUs).toBe(150_000)
  })
})

describe('the window', () => {
  it.each(vectors.vegas.map((rows, index) => [index + 1, rows] as const))('moves as that of C tor in table %i', (_, rows) => {
    const window = new VegasWindow(parameters, 'exit', increment, new ClockHealth())
    rows.forEach((row, step) => {
      window.handleSendme(number(row, 1) - number(row, 0), number(row, 3), number(row, 2) === 1)
      const { roundTrip, size, inSlowStart, isFull, wasBlocked } = window
      expect([roundTrip.smoothedUs, roundTrip.leastUs, size, Number(inSlowStart), Number(isFull), Number(wasBlocked)], `step ${step}`).toEqual(row.slice(4))
    })
  })

  it('grows for ever neither in slow start nor beyond the tags that can be kept', () => {
    const capped = new VegasWindow({ ...parameters, vegas: { ...parameters.vegas, exit: { ...parameters.vegas.exit, slowStartCap: 1_000_000 } } }, 'exit', increment, new ClockHealth())
    for (let i = 0; i < 500; i++) capped.handleSendme(1000, capped.size, false)
    expect(capped.inSlowStart).toBe(false)
    expect(capped.size).toBeGreaterThanOrEqual(parameters.slowStartWindowMax)
    const small = new VegasWindow({ ...parameters, windowMax: 500 }, 'exit', increment, new ClockHealth())
    for (let i = 0; i < 100; i++) small.handleSendme(1000, small.size, false)
    expect(small.size).toBe(500)
    expect(new VegasWindow({ ...parameters, windowInitial: 10_000 }, 'exit', 1, new ClockHealth()).size).toBe(PENDING_SENDME_TAGS_MAX)
  })

  it('never falls below its minimum, and takes the round trip of that state for the least one', () => {
    const window = new VegasWindow(parameters, 'exit', increment, new ClockHealth())
    window.handleSendme(1000, window.size, false)
    for (let i = 0; i < 2000; i++) window.handleSendme(100_000, window.size, true)
    expect(window.size).toBe(parameters.windowMin)
    expect(window.roundTrip.leastUs).toBe(window.roundTrip.smoothedUs)
  })

  it('stays where it is while the clock stands still, and goes to its minimum when the link blocks then', () => {
    const window = new VegasWindow({ ...parameters, windowInitial: 1000 }, 'exit', increment, new ClockHealth())
    for (let i = 0; i < 10; i++) window.handleSendme(0, 1000, false)
    expect(window.size).toBe(1000)
    window.handleSendme(0, 1000, true)
    expect(window.inSlowStart).toBe(false)
    expect(window.size).toBe(parameters.windowMin + parameters.vegas.exit.gamma)
  })
})

describe('cells under way', () => {
  it('are counted, and timed with the last cell of each increment', () => {
    const vegas = new Vegas(parameters, 'exit', increment, new ClockHealth())
    expect(vegas.available).toBe(124)
    vegas.handleSent(monotonicMs(0), 20)
    vegas.handleSent(monotonicMs(10), 20)
    vegas.handleSent(monotonicMs(20), 84)
    expect(vegas.available).toBe(0)
    vegas.handleSendme(monotonicMs(60), false)
    expect(vegas.window.roundTrip.smoothedUs).toBe(50_000)
    // One increment is acknowledged, and slow start adds another.
    expect(vegas.available).toBe(62)
    expect(vegas.roundTripMaxMs).toBe(50)
  })

  it('may exceed a window that has shrunk: nothing is available then', () => {
    const vegas = new Vegas({ ...parameters, windowInitial: 2000 }, 'exit', increment, new ClockHealth())
    vegas.handleSent(monotonicMs(0), 2000)
    vegas.handleSendme(monotonicMs(1), false)
    vegas.handleSendme(monotonicMs(500), false)
    expect(vegas.window.size).toBeLessThan(1900)
    expect(vegas.available).toBe(0)
  })

  it('cannot be acknowledged before they are sent', () => {
    const flow = new CircuitFlow({ agreed: { parameters, kind: 'exit', sendmeIncrement: increment } })
    const tags = new Uint8Array(20 * 31).fill(7)
    flow.handleSent(monotonicMs(0), tags.subarray(0, 20 * 30), 30)
    const sendme = Uint8Array.of(1, 0, 20, ...tags.subarray(0, 20))
    expect(() => flow.handleSendme(monotonicMs(1), sendme, false)).toThrow(RelishError)
    flow.handleSent(monotonicMs(1), tags.subarray(0, 20), 1)
    flow.handleSendme(monotonicMs(2), sendme, false)
    expect(flow.packageWindow).toBe(155)
    expect(() => flow.handleSendme(monotonicMs(3), sendme, false)).toThrow('not sent')
  })
})

describe('parameters', () => {
  const options = { __AlwaysCongestionControl: false, __SbwsExit: false }

  it('are C tor’s where the consensus is silent', () => {
    expect(parameters).toMatchObject({ sendmeIncrement: 31, windowInitial: 124, windowMin: 124, windowIncrement: 1, windowUpdatesPerWindow: 31, slowStartWindowMax: 5000 })
    expect(parameters.vegas).toEqual({
      exit: { alpha: 186, beta: 248, gamma: 186, delta: 310, slowStartCap: 600 },
      onion: { alpha: 186, beta: 372, gamma: 248, delta: 434, slowStartCap: 475 },
      sbws: { alpha: 93, beta: 155, gamma: 124, delta: 248, slowStartCap: 400 },
    })
    expect(parameters.streams).toEqual({ xoffExitCells: 500, xoffClientCells: 500, xonRateCells: 500, xonChangePercent: 25, xonEwmaCount: 2 })
  })

  it('are moved into their bounds', () => {
    const odd = congestionParameters(new NetworkParameters(new Map([['cc_sendme_inc', 0], ['cc_cwnd_min', 5], ['cc_ss_max', 1], ['cc_xoff_exit', 1_000_000], ['cc_vegas_alpha_onion', 2000]])))
    expect(odd).toMatchObject({ sendmeIncrement: 1, windowMin: 31, slowStartWindowMax: 500, streams: { xoffExitCells: 10_000 }, vegas: { onion: { alpha: 1000 } } })
  })

  it('ask for nothing where the consensus turns it off, unless the option insists', () => {
    const netDir = { parameters: new NetworkParameters(new Map([['cc_alg', 0]])) } as Parameters<typeof flowParameters>[0]
    expect(flowParameters(netDir, options, new ClockHealth()).congestion).toBeUndefined()
    expect(flowParameters(netDir, { ...options, __AlwaysCongestionControl: true }, new ClockHealth()).congestion).toBeDefined()
    expect(flowParameters(undefined, { ...options, __SbwsExit: true }, new ClockHealth())).toMatchObject({ congestion: { sendmeIncrement: 31 }, endingKind: 'sbws' })
  })
})
