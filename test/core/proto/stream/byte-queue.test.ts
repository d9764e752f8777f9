import { describe, expect, it } from 'vitest'
import { randomBelow, SeededRng } from '../../../../src/core/base/rng.ts'
import { ByteQueue, makeQueueBuffers } from '../../../../src/core/proto/stream/byte-queue.ts'
import { QUEUE_BUFFER_BYTES, QUEUE_BUFFERS_KEPT, QUEUE_SMALL_BYTES_MAX } from '../../../../src/core/proto/stream/limits.ts'

function moved(queue: ByteQueue, count: number): Uint8Array {
  const out = new Uint8Array(count)
  queue.moveTo(out, 0, count)
  return out
}

describe('a queue of bytes', () => {
  it('gives what was pushed, however it was cut, kept and taken', () => {
    const sizes = [1, 498, QUEUE_SMALL_BYTES_MAX - 1, QUEUE_SMALL_BYTES_MAX, QUEUE_SMALL_BYTES_MAX + 1, QUEUE_BUFFER_BYTES - 1, QUEUE_BUFFER_BYTES, QUEUE_BUFFER_BYTES + 1, 3 * QUEUE_BUFFER_BYTES]
    const buffers = makeQueueBuffers()
    for (let seed = 0; seed < 10; seed++) {
      const rng = new SeededRng(`queue ${seed}`)
      // Two queues use the same buffers.
      const queues = [0, 1].map(() => ({ queue: new ByteQueue(buffers), pushed: [] as Uint8Array[], taken: [] as Uint8Array[] }))
      for (let step = 0; step < 30; step++) {
        for (const { queue, pushed, taken } of queues) {
          const chunk = rng.bytes(sizes[randomBelow(rng, sizes.length)] ?? 1)
          pushed.push(chunk.slice())
          queue.push(chunk)
          taken.push(moved(queue, randomBelow(rng, Math.min(queue.length, 100_000) + 1)))
          queue.keep()
          // The writer uses its chunk again.
          chunk.fill(0)
          taken.push(moved(queue, randomBelow(rng, Math.min(queue.length, 200_000) + 1)))
        }
      }
      for (const { queue, pushed, taken } of queues) {
        taken.push(moved(queue, queue.length))
        expect(Buffer.concat(taken).equals(Buffer.concat(pushed)), `seed ${seed}`).toBe(true)
      }
    }
  })

  it('uses buffers again that were taken or cleared, and keeps no more of them than it may', () => {
    const buffers = makeQueueBuffers()
    const first = buffers.take()
    buffers.giveBack(first)
    const queue = new ByteQueue(buffers)
    for (const empty of [() => moved(queue, queue.length), () => queue.clear()]) {
      queue.push(new Uint8Array(QUEUE_BUFFER_BYTES))
      queue.keep()
      empty()
      expect(queue.length).toBe(0)
      const again = buffers.take()
      expect(again).toBe(first)
      buffers.giveBack(again)
    }
    queue.push(new Uint8Array(2 * QUEUE_BUFFERS_KEPT * QUEUE_BUFFER_BYTES))
    queue.keep()
    queue.clear()
    const kept = new Set(Array.from({ length: QUEUE_BUFFERS_KEPT }, () => buffers.take()))
    expect(kept.has(first)).toBe(true)
    buffers.clear()
    expect(kept.has(buffers.take())).toBe(false)
  })
})
