import { createCipheriv } from 'node:crypto'
import { expect, test } from 'vitest'
import { giveUpMemory } from '../../../src/core/base/give-up-memory.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'

const rng = new SeededRng('give up')

test('what is given up is freed at once', () => {
  const cipher = createCipheriv('aes-128-ctr', rng.bytes(16), rng.bytes(16))
  const data = rng.bytes(64 * 1024)
  // The first few megabytes are not.
  for (;;) {
    const out = cipher.update(data)
    giveUpMemory(out)
    if (out.length === 0) break
  }
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 1000; i++) {
    const out = cipher.update(data)
    expect(out).toHaveLength(data.length)
    giveUpMemory(out)
    expect(out).toHaveLength(0)
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * data.length)
})

test('a part of something is left alone, and so are few bytes', () => {
  const whole = new Uint8Array(20_000)
  giveUpMemory(whole.subarray(0, 10_000))
  expect(whole).toHaveLength(20_000)
  const few = new Uint8Array(100)
  giveUpMemory(few)
  expect(few).toHaveLength(100)
})
