import { createHash, type Hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hexEncode } from '../../../../src/core/base/encoding.ts'
import { randomBelow, SeededRng } from '../../../../src/core/base/rng.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX } from '../../../../src/core/cell/limits.ts'
import { Sha1CellDigest, Sha3CellDigest, TAG_BYTES, type CellDigest } from '../../../../src/core/proto/relaycrypt/cell-digest.ts'

const DIGEST_AT = 5

/** tor-spec §6.1 written down again, with nothing but `node:crypto`: the message goes on, and is read after each cell. */
class Reference {
  readonly #hash: Hash

  constructor(algorithm: string, seed: Uint8Array) {
    this.#hash = createHash(algorithm).update(seed)
  }

  tag(body: Uint8Array): Uint8Array {
    const zeroed = Uint8Array.from(body)
    zeroed.fill(0, DIGEST_AT, DIGEST_AT + 4)
    return new Uint8Array(this.#hash.update(zeroed).copy().digest().subarray(0, TAG_BYTES))
  }
}

const rng = new SeededRng('cell digest')

function bodies(count: number): Uint8Array {
  const payloads = rng.bytes(count * CELL_BODY_BYTES)
  for (let at = 0; at < payloads.length; at += CELL_BODY_BYTES) {
    payloads.fill(0, at + 1, at + 3)
    payloads.fill(0, at + DIGEST_AT, at + DIGEST_AT + 4)
  }
  return payloads
}

const cell = (payloads: Uint8Array, index: number): Uint8Array => payloads.subarray(index * CELL_BODY_BYTES, (index + 1) * CELL_BODY_BYTES)

describe.each([
  { name: 'SHA-1', algorithm: 'sha1', seedBytes: 20, make: (seed: Uint8Array): CellDigest => new Sha1CellDigest(seed) },
  { name: 'SHA3-256', algorithm: 'sha3-256', seedBytes: 32, make: (seed: Uint8Array): CellDigest => new Sha3CellDigest(seed) },
])('the running digest with $name', ({ algorithm, seedBytes, make }) => {
  test('is that of node:crypto after every cell, however cells are batched', () => {
    const seed = rng.bytes(seedBytes)
    const digest = make(seed)
    const reference = new Reference(algorithm, seed)
    // 64 cells bring the message to every place within a block; the larger ones are more than one call takes.
    for (const count of [1, 2, 3, ...Array.from({ length: 64 }, () => 1), RELAY_BATCH_CELLS_MAX, 31, 2 * RELAY_BATCH_CELLS_MAX + 5, 1]) {
      const payloads = bodies(count)
      const tags = digest.seal(payloads)
      for (let i = 0; i < count; i++) {
        const expected = hexEncode(reference.tag(cell(payloads, i)))
        expect(hexEncode(tags.subarray(i * TAG_BYTES, (i + 1) * TAG_BYTES))).toBe(expected)
        expect(hexEncode(cell(payloads, i).subarray(DIGEST_AT, DIGEST_AT + 4))).toBe(expected.slice(0, 8))
      }
    }
  })

  test('recognises what the other end has sealed, up to the first cell that is another’s, and goes on after it', () => {
    const seed = rng.bytes(seedBytes)
    const sender = make(seed)
    const receiver = make(seed)
    for (let round = 0; round < 60; round++) {
      const count = 1 + randomBelow(rng, round % 20 === 0 ? 2 * RELAY_BATCH_CELLS_MAX : 12)
      const payloads = bodies(count)
      const sentTags = sender.seal(payloads)
      // A cell in between that is not ours: marked as such, or only by its digest.
      const place = randomBelow(rng, count + 1)
      const stray = bodies(1)
      if (round % 2 === 0) stray[1] = 1
      else stray[DIGEST_AT + 3] = 1
      const batch = new Uint8Array(payloads.length + CELL_BODY_BYTES)
      batch.set(payloads.subarray(0, place * CELL_BODY_BYTES))
      batch.set(stray, place * CELL_BODY_BYTES)
      batch.set(payloads.subarray(place * CELL_BODY_BYTES), (place + 1) * CELL_BODY_BYTES)
      const tags = new Uint8Array(count * TAG_BYTES)
      let first = 0
      let recognized = 0
      while (first <= count) {
        const found = receiver.recognize(batch, first, tags, recognized * TAG_BYTES)
        recognized += found
        first += found
        if (found < RELAY_BATCH_CELLS_MAX) first++
      }
      expect(recognized).toBe(count)
      expect(hexEncode(tags)).toBe(hexEncode(sentTags))
      expect(hexEncode(cell(batch, place))).toBe(hexEncode(stray))
      for (let i = 0; i <= count; i++) if (i !== place) expect([...cell(batch, i).subarray(DIGEST_AT, DIGEST_AT + 4)]).toEqual([0, 0, 0, 0])
    }
  })
})
