import { checkPrimeSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hexEncode } from '../../src/core/base/encoding.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { RsaKeyStock } from '../../src/sim/rsa-key-stock.ts'
import { rsaPrimes } from '../../src/sim/rsa-primes.ts'

const fingerprint = (stock: RsaKeyStock, seed: string, bits = 1024): string => hexEncode(stock.make(new SeededRng(seed), bits).publicKey.fingerprint())

describe('RSA keys of a simulation', () => {
  test('the same draws give the same key', () => {
    expect(fingerprint(new RsaKeyStock(1024), 'a')).toBe(fingerprint(new RsaKeyStock(1024), 'a'))
    expect(fingerprint(new RsaKeyStock(1024), 'a')).not.toBe(fingerprint(new RsaKeyStock(1024), 'b'))
  })

  test('nobody else has it', () => {
    const stock = new RsaKeyStock(1024)
    const keys = Array.from({ length: 40 }, () => fingerprint(stock, 'the same draws'))
    expect(new Set(keys).size).toBe(40)
  })

  test('it signs, and has the size that was asked for, up to the largest', () => {
    for (const [wanted, bytes] of [[1024, 128], [3072, 128], [512, 64]] as const) {
      const key = new RsaKeyStock(1024).make(new SeededRng('size'), wanted)
      const digest = new Uint8Array(20).fill(7)
      const signature = key.signDigest(digest)
      expect(signature.length).toBe(bytes)
      expect(key.publicKey.verifyDigest(digest, signature)).toBe(true)
    }
  })

  test('the primes are different, of 512 bits, and prime', () => {
    expect(new Set(rsaPrimes).size).toBe(rsaPrimes.length)
    rsaPrimes.forEach((text, i) => {
      const prime = BigInt(`0x${Buffer.from(text, 'base64').toString('hex')}`)
      expect(prime >> 510n).toBe(3n)
      expect(prime % 65537n).not.toBe(1n)
      // One in sixteen, with the full test: all of them take two seconds.
      if (i % 16 === 0) expect(checkPrimeSync(prime)).toBe(true)
    })
  })
})
