/** Joining of what a socket has brought. */

import { expect, test } from 'vitest'
import { SeededRng } from '../../src/core/base/rng.ts'
import { IncomingBytes, makeReadBuffers, SocketReader } from '../../src/host/incoming-bytes.ts'
import { hostLimits } from '../../src/host/limits.ts'

const { readChunkBytesMax } = hostLimits

/** Everything that waits, a chunk a piece. */
function lent(incoming: IncomingBytes): Uint8Array[] {
  const out: Uint8Array[] = []
  while (incoming.length > 0) incoming.lendFirst((chunk) => out.push(chunk.slice()))
  return out
}

test('whatever the sizes of what comes, the same bytes are lent, joined as far as a chunk goes', () => {
  const rng = new SeededRng('incoming')
  const sizes = [1, 513, readChunkBytesMax - 1, readChunkBytesMax, readChunkBytesMax + 1, 3 * readChunkBytesMax]
  const buffers = makeReadBuffers()
  for (const first of sizes) {
    for (const second of sizes) {
      const incoming = new IncomingBytes(buffers)
      const pieces = [rng.bytes(first), rng.bytes(second), rng.bytes(5)]
      const wanted = Buffer.concat(pieces)
      for (const piece of pieces) {
        incoming.push(piece)
        // Whoever brought it uses it again.
        piece.fill(0)
      }
      expect(incoming.length).toBe(wanted.length)
      const chunks = lent(incoming)
      expect(Buffer.concat(chunks).equals(wanted), `${first} and ${second} bytes`).toBe(true)
      expect(chunks.length).toBe(Math.ceil(wanted.length / readChunkBytesMax))
    }
  }
})

test('what waits for longer keeps only the memory that it needs, and what comes then follows it', () => {
  const buffers = makeReadBuffers()
  const incoming = new IncomingBytes(buffers)
  const first = buffers.take()
  buffers.giveBack(first)
  incoming.push(Uint8Array.of(1, 2))
  incoming.shrink()
  expect(buffers.take()).toBe(first)
  incoming.push(Uint8Array.of(3))
  expect(lent(incoming)).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3)])
})

test('a handler may throw away what follows the chunk that it is lent', () => {
  const incoming = new IncomingBytes(makeReadBuffers())
  incoming.push(new Uint8Array(readChunkBytesMax + 1))
  incoming.lendFirst(() => incoming.clear())
  expect(incoming.length).toBe(0)
})

test('a reader keeps what comes before anybody listens', () => {
  const space = new Uint8Array(8)
  const reader = new SocketReader(makeReadBuffers(), space)
  let told = 0
  space.set([1, 2])
  reader.onread.callback(2, space)
  reader.listener = () => told++
  space.set([3])
  reader.onread.callback(1, space)
  expect(told).toBe(1)
  expect(lent(reader.incoming)).toEqual([Uint8Array.of(1, 2, 3)])
})
