import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/core/base/encoding.ts'
import { RelishError } from '../../../../src/core/base/errors.ts'
import { monotonicMs } from '../../../../src/core/base/time.ts'
import { RelayCommand } from '../../../../src/core/cell/commands.ts'
import { CircuitFlow } from '../../../../src/core/proto/flow/circuit-flow.ts'
import { StreamWindow } from '../../../../src/core/proto/flow/stream-flow.ts'

const now = monotonicMs(0)
const tag = (fill: number): Uint8Array => new Uint8Array(20).fill(fill)
/** Tags of so many cells, side by side. */
const tags = (count: number, first = 0): Uint8Array => concatBytes(Array.from({ length: count }, (_, i) => tag((first + i) % 256)))
const sendme = (of: Uint8Array): Uint8Array => Uint8Array.of(1, 0, 20, ...of)
const kindOf = (act: () => unknown): string => {
  try {
    act()
  } catch (thrown) {
    return thrown instanceof RelishError ? thrown.kind : 'other'
  }
  return 'none'
}

describe('the package window of a circuit', () => {
  it('shrinks with each cell, and widens by a hundred for the tag of each hundredth', () => {
    const flow = new CircuitFlow()
    flow.handleSent(now, tags(250), 250)
    expect(flow.packageWindow).toBe(750)
    flow.handleSendme(now, sendme(tag(99)), false)
    flow.handleSendme(now, sendme(tag(199)), false)
    expect(flow.packageWindow).toBe(950)
    expect(kindOf(() => flow.handleSendme(now, sendme(tag(249)), false))).toBe('protocol')
  })

  it('remembers the right tag however the cells are cut into batches', () => {
    for (const size of [1, 7, 33, 50, 99, 100, 101, 400]) {
      const flow = new CircuitFlow()
      for (let sent = 0; sent < 400; sent += size) flow.handleSent(now, tags(Math.min(size, 400 - sent), sent), Math.min(size, 400 - sent))
      for (const last of [99, 199, 299, 399]) flow.handleSendme(now, sendme(tag(last % 256)), false)
      expect(flow.packageWindow, `batches of ${size}`).toBe(1000)
    }
  })

  it('begins at what the consensus says', () => {
    expect(new CircuitFlow({ circuitWindow: 300 }).packageWindow).toBe(300)
  })

  it('takes version 0 unless the consensus wants more, and then only on circuits made with CREATE_FAST', () => {
    const sent = (flow: CircuitFlow): CircuitFlow => {
      flow.handleSent(now, tags(100), 100)
      return flow
    }
    const empty = new Uint8Array(0)
    expect(kindOf(() => sent(new CircuitFlow()).handleSendme(now, empty, false))).toBe('none')
    expect(kindOf(() => sent(new CircuitFlow({ sendmeAcceptMinVersion: 1 })).handleSendme(now, empty, false))).toBe('protocol')
    expect(kindOf(() => sent(new CircuitFlow({ sendmeAcceptMinVersion: 1, acceptVersion0: true })).handleSendme(now, empty, false))).toBe('none')
    expect(kindOf(() => sent(new CircuitFlow()).handleSendme(now, Uint8Array.of(2, 0, 0), false))).toBe('protocol')
  })
})

describe('the deliver window of a circuit', () => {
  it('asks for more with the tag of each hundredth cell', () => {
    const flow = new CircuitFlow()
    expect(flow.handleReceived(60, tags(60), 0, 60)).toEqual([])
    expect(flow.handleReceived(40, tags(60, 100), 20, 60)).toEqual([sendme(tag(159))])
    expect(flow.handleReceived(99, tags(99), 0, 99)).toEqual([])
  })

  it('asks for as much as came, and names the same cells however they are cut into batches', () => {
    for (const size of [1, 7, 33, 50, 99, 100, 101, 250, 400]) {
      const flow = new CircuitFlow()
      const sent: Uint8Array[] = []
      for (let first = 0; first < 400; first += size) {
        const count = Math.min(size, 400 - first)
        // Two cells that are not DATA lie in front.
        sent.push(...flow.handleReceived(count, tags(count + 2, first - 2 + 256), 2, count + 2))
      }
      expect(sent, `batches of ${size}`).toEqual([99, 199, 299, 399].map((last) => sendme(tag(last % 256))))
    }
  })

  it('says nothing but that, when the consensus wants version 0', () => {
    expect(new CircuitFlow({ sendmeEmitMinVersion: 0 }).handleReceived(100, tags(100), 0, 100)).toEqual([new Uint8Array(0)])
  })
})

describe('the windows of a stream', () => {
  it('let five hundred cells out, and fifty more for each SENDME', () => {
    const flow = new StreamWindow()
    flow.handleSent(500)
    expect(flow.available()).toBe(0)
    flow.handleMessage(now, RelayCommand.SENDME)
    expect(flow.available()).toBe(50)
  })

  it('are never widened beyond five hundred', () => {
    const flow = new StreamWindow()
    flow.handleSent(49)
    expect(kindOf(() => flow.handleMessage(now, RelayCommand.SENDME))).toBe('protocol')
  })

  it('ask for more as data leaves to the application, not as it comes', () => {
    const flow = new StreamWindow()
    flow.handleReceived(now, 500)
    expect(kindOf(() => flow.handleReceived(now, 1))).toBe('protocol')
    const other = new StreamWindow()
    other.handleReceived(now, 120)
    expect(other.handleDelivered(now, 49)).toEqual([])
    expect(other.handleDelivered(now, 71)).toHaveLength(2)
    expect(other.leftovers()).toEqual({ dataCells: 480, flowMessages: 0 })
  })

  it('know no XON and XOFF', () => {
    expect(kindOf(() => new StreamWindow().handleMessage(now, RelayCommand.XOFF))).toBe('protocol')
  })
})
