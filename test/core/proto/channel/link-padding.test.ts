import { describe, expect, test } from 'vitest'
import { must } from '../../../../src/core/base/assert.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { durationMs, later, monotonicMs, type MonotonicMs } from '../../../../src/core/base/time.ts'
import { LinkPadding, type LinkPaddingRange } from '../../../../src/core/proto/channel/link-padding.ts'

const start = monotonicMs(1000)
/** padding-spec §2.6. */
const usual: LinkPaddingRange = { lowMs: 1500, highMs: 9500 }
const make = (range = usual): LinkPadding => new LinkPadding(() => range, new SeededRng('padding'), start)
const due = (padding: LinkPadding): MonotonicMs => must(padding.nextTimeout(), 'padding is on')

describe('link padding', () => {
  test('an idle link is padded at times drawn as padding-spec §2.3 says', () => {
    const padding = make()
    let now = start
    const gaps: number[] = []
    for (let i = 0; i < 2000; i++) {
      const next = due(padding)
      gaps.push(next - now)
      now = next
      expect(padding.handleTimeout(now)).toBe(true)
      padding.handleSent(now)
    }
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1500)
    expect(Math.max(...gaps)).toBeLessThan(9500)
    // The mean of the larger of two uniform draws from 8000 is 5333.
    expect(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length).toBeCloseTo(1500 + 5333, -3)
  })

  test('what is sent puts padding off', () => {
    const padding = make()
    const sentAt = later(start, durationMs(1400))
    const first = due(padding)
    padding.handleSent(sentAt)
    expect(padding.handleTimeout(later(first, durationMs(-1)))).toBe(false)
    expect(due(padding)).toBeGreaterThanOrEqual(later(sentAt, durationMs(1500)))
  })

  test('a client can stop it, ask for less, and ask for the default again', () => {
    const padding = make()
    padding.handleNegotiate({ command: 'stop' })
    expect(padding.nextTimeout()).toBeUndefined()
    expect(padding.handleTimeout(later(start, durationMs(100_000)))).toBe(false)
    padding.handleNegotiate({ command: 'start', lowMs: 9000, highMs: 14_000 })
    expect(due(padding) - start).toBeGreaterThanOrEqual(9000)
    // Below the consensus is clamped to it.
    padding.handleNegotiate({ command: 'start', lowMs: 1, highMs: 2 })
    expect(due(padding) - start).toBeGreaterThanOrEqual(1500)
    padding.handleNegotiate({ command: 'start', lowMs: 60_000, highMs: 1 })
    expect(due(padding) - start).toBe(60_000)
    padding.handleNegotiate({ command: 'start', lowMs: 0, highMs: 0 })
    expect(due(padding) - start).toBeLessThan(9500)
  })

  test('follows the consensus, also when that turns it off and on', () => {
    let range = usual
    const padding = new LinkPadding(() => range, new SeededRng('padding'), start)
    range = { lowMs: 0, highMs: 0 }
    expect(padding.handleTimeout(due(padding))).toBe(true)
    expect(padding.nextTimeout()).toBeUndefined()
    range = { lowMs: 20_000, highMs: 20_000 }
    expect(due(padding) - start).toBe(20_000)
  })

  test('a consensus of zeros turns it off', () => {
    expect(make({ lowMs: 0, highMs: 0 }).nextTimeout()).toBeUndefined()
  })
})
