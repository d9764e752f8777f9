/** Joining of what a stream has to write. */

import { expect, test } from 'vitest'
import type { BufferPool } from '../../src/core/base/buffer-pool.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { hostLimits } from '../../src/host/limits.ts'
import { makeWriteBuffers, OutgoingBytes } from '../../src/host/outgoing-bytes.ts'

const { joinedWriteBytesMax, smallWriteBytesMax, writeBuffersKept } = hostLimits

/** Everything that waits, a take a piece. */
function taken(outgoing: OutgoingBytes, buffers: BufferPool): Uint8Array[] {
  const out: Uint8Array[] = []
  for (let next = outgoing.take(); next !== undefined; next = outgoing.take()) {
    out.push(next.buffer.slice(0, next.length))
    buffers.giveBack(next.buffer)
  }
  return out
}

test('whatever the sizes of what is pushed, the same bytes come out, joined as far as a write goes', () => {
  const rng = new SeededRng('outgoing')
  const sizes = [1, 513, 514, smallWriteBytesMax - 1, smallWriteBytesMax, smallWriteBytesMax + 1, joinedWriteBytesMax - 1, joinedWriteBytesMax, joinedWriteBytesMax + 1, 3 * joinedWriteBytesMax]
  const buffers = makeWriteBuffers()
  for (const first of sizes) {
    for (const second of sizes) {
      const outgoing = new OutgoingBytes(buffers)
      const chunks = [rng.bytes(first), rng.bytes(second), rng.bytes(5)]
      const wanted = Buffer.concat(chunks)
      for (const chunk of chunks) {
        outgoing.push(chunk)
        // Whoever wrote it may use it again.
        chunk.fill(0)
      }
      expect(outgoing.length).toBe(wanted.length)
      const writes = taken(outgoing, buffers)
      expect(Buffer.concat(writes).equals(wanted), `${first} and ${second} bytes`).toBe(true)
      expect(writes.length).toBe(Math.ceil(wanted.length / joinedWriteBytesMax))
      expect(outgoing.length).toBe(0)
    }
  }
})

test('what is pushed while a buffer is under way does not touch it', () => {
  const outgoing = new OutgoingBytes(makeWriteBuffers())
  for (const size of [10, smallWriteBytesMax + 10]) {
    outgoing.push(new Uint8Array(size).fill(1))
    const underWay = outgoing.take()
    outgoing.push(new Uint8Array(size).fill(2))
    expect(underWay?.buffer.subarray(0, underWay.length).every((byte) => byte === 1)).toBe(true)
    outgoing.clear()
  }
})

test('large buffers are used again, as many as are kept; small ones are not', () => {
  const buffers = makeWriteBuffers()
  const large = Array.from({ length: writeBuffersKept + 1 }, () => buffers.take())
  for (const buffer of large) buffers.giveBack(buffer)
  buffers.giveBack(new Uint8Array(smallWriteBytesMax))
  const again = new Set(Array.from({ length: writeBuffersKept }, () => buffers.take()))
  expect([...again].every((buffer) => large.includes(buffer))).toBe(true)
  expect(large.includes(buffers.take())).toBe(false)
})
