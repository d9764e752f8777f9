/** What becomes of cells on the way out of a relay that misbehaves. Whole networks with one: test/faults. */

import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { ChannelCommand } from '../../../src/core/cell/commands.ts'
import { CELL_BODY_BYTES } from '../../../src/core/cell/limits.ts'
import { CellMisbehaviour, type CellOrders } from '../../../src/testnet/fault/cell-misbehaviour.ts'

const versions = Uint8Array.from([0, 0, ChannelCommand.VERSIONS, 0, 2, 0, 5])
const cell = (command: ChannelCommand, fill: number): Uint8Array => Uint8Array.from([0x80, 0, 0, 1, command, ...new Uint8Array(CELL_BODY_BYTES).fill(fill)])
const certs = Uint8Array.from([0, 0, 0, 0, ChannelCommand.CERTS, 0, 3, 1, 2, 3])

/** What goes out when these bytes go in, in chunks of so many bytes. */
function passed(orders: CellOrders, frames: readonly Uint8Array[], chunkBytes = 1 << 20): { readonly out: Buffer; readonly delivered: Buffer } {
  const tap = new CellMisbehaviour(orders, new SeededRng('x'))
  const delivered: Uint8Array[] = []
  tap.attached({ send: () => undefined, deliver: (bytes) => delivered.push(bytes) })
  const input = Buffer.concat(frames)
  const out: Uint8Array[] = []
  for (let at = 0; at < input.length; at += chunkBytes) out.push(tap.fromNode(input.subarray(at, at + chunkBytes)))
  return { out: Buffer.concat(out), delivered: Buffer.concat(delivered) }
}

describe('cells on the way out', () => {
  const frames = [versions, certs, cell(ChannelCommand.CREATED2, 7), cell(ChannelCommand.RELAY, 1), cell(ChannelCommand.RELAY, 2), cell(ChannelCommand.CREATE2, 9), cell(ChannelCommand.RELAY_EARLY, 3), cell(ChannelCommand.RELAY, 4)]
  const whole = Buffer.concat(frames)

  test.each([1, 7, 513, 1 << 20])('pass as they are when nothing is ordered, in chunks of %i', (chunkBytes) => {
    expect(passed({ how: undefined, every: 1 }, frames, chunkBytes).out.equals(whole)).toBe(true)
  })

  test('every second relay cell is left out, sent twice, or changed by a bit', () => {
    const [first, second, third, fourth] = [frames[3], frames[4], frames[6], frames[7]] as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const around = (cells: readonly Uint8Array[]): Buffer => Buffer.concat([...frames.slice(0, 3), ...cells.slice(0, -2), frames[5] as Uint8Array, ...cells.slice(-2)])
    expect(passed({ how: 'dropped-cell', every: 2 }, frames).out.length).toBe(whole.length - 2 * 514)
    expect(passed({ how: 'replayed-cell', every: 2 }, frames).out.length).toBe(whole.length + 2 * 514)
    const corrupted = passed({ how: 'corrupted-cell', every: 2 }, frames).out
    expect(corrupted.length).toBe(whole.length)
    const bits = [...corrupted].reduce((sum, byte, at) => sum + (byte ^ (whole[at] ?? 0)).toString(2).replaceAll('0', '').length, 0)
    expect(bits).toBe(2)
    expect(corrupted.includes(Buffer.from(first)) && corrupted.includes(Buffer.from(third)) && !corrupted.includes(Buffer.from(second)) && !corrupted.includes(Buffer.from(fourth))).toBe(true)
    expect(passed({ how: 'corrupted-cell', every: 99 }, frames).out.equals(around([first, second, third, fourth]))).toBe(true)
  })

  test('an answer to a handshake has another key; one for the next relay is made up', () => {
    const wrong = passed({ how: 'wrong-handshake-key', every: 1 }, frames).out
    const different = [...wrong].flatMap((byte, at) => (byte === whole[at] ? [] : [at]))
    expect(different).toHaveLength(1)
    const keyAt = versions.length + certs.length + 5 + 2
    expect((different[0] ?? 0) >= keyAt && (different[0] ?? 0) < keyAt + 32).toBe(true)
    const spoofed = passed({ how: 'spoofed-extend', every: 1 }, frames)
    expect(spoofed.out.length).toBe(whole.length - 514)
    expect([...spoofed.delivered.subarray(0, 7)]).toEqual([0x80, 0, 0, 1, ChannelCommand.CREATED2, 0, 64])
  })
})
