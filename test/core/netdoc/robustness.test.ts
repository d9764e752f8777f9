/** Documents cut short, altered and oversized: an error of the right kind, within bounded time and memory. */

import { describe, expect, test } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { SeededRng, randomBelow } from '../../../src/core/base/rng.ts'
import { parseAuthorityCertificates } from '../../../src/core/netdoc/authority-certificate.ts'
import { parseBandwidthFile } from '../../../src/core/netdoc/bandwidth-file.ts'
import { assembleConsensus, emitUnsignedConsensus, parseConsensus, type ConsensusContent } from '../../../src/core/netdoc/consensus.ts'
import { parseDetachedSignatures } from '../../../src/core/netdoc/detached-signatures.ts'
import { parseExtraInfos } from '../../../src/core/netdoc/extra-info.ts'
import { parseMicrodescriptors, parseMicrodescriptorsLeniently } from '../../../src/core/netdoc/microdescriptor.ts'
import { parseServerDescriptor, parseServerDescriptors, splitDocuments } from '../../../src/core/netdoc/server-descriptor.ts'
import { parseVote } from '../../../src/core/netdoc/vote.ts'
import { captured } from './vectors.ts'

const parsers: readonly [string, (text: string) => unknown][] = [
  ['server-descriptors', parseServerDescriptors],
  ['extra-info', parseExtraInfos],
  ['microdescriptors', parseMicrodescriptors],
  ['certificates', parseAuthorityCertificates],
  ['consensus-ns', parseConsensus],
  ['consensus-microdesc', parseConsensus],
  ['vote-auth1', parseVote],
  ['detached-signatures', parseDetachedSignatures],
  ['bandwidth-file', parseBandwidthFile],
]

/** True when accepted, false when refused as it should be; anything else is a failure. */
function accepts(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text)
    return true
  } catch (error) {
    if (error instanceof RelishError && (error.kind === 'bad-document' || error.kind === 'limit')) return false
    throw error
  }
}

describe.each(parsers)('%s', (name, parse) => {
  const text = captured(name)

  test('is refused or read, never worse, when bytes change', () => {
    const rng = new SeededRng(name)
    const alphabet = ' \n\t\0=-+/@#09azAZé\u00ff'
    for (let i = 0; i < 150; i++) {
      const at = randomBelow(rng, text.length)
      const length = randomBelow(rng, 30)
      const put = Array.from({ length: randomBelow(rng, 4) }, () => alphabet[randomBelow(rng, alphabet.length)]).join('')
      accepts(parse, text.slice(0, at) + put + text.slice(at + length))
    }
  })

  test('is refused or read, never worse, when lines go, come twice or trade places', () => {
    const lines = text.split('\n')
    const rng = new SeededRng(`${name} lines`)
    for (let i = 0; i < 80; i++) {
      const copy = [...lines]
      const [line] = copy.splice(randomBelow(rng, copy.length), 1)
      for (let n = randomBelow(rng, 3); n > 0; n--) copy.splice(randomBelow(rng, copy.length), 0, line ?? '')
      accepts(parse, copy.join('\n'))
    }
  })
})

test('a descriptor that ends early is refused at every line', () => {
  const [text] = splitDocuments(captured('server-descriptors'), 'router')
  const lines = (text ?? '').trimEnd().split('\n')
  for (let end = 0; end < lines.length; end++) expect(accepts(parseServerDescriptor, lines.slice(0, end).join('\n'))).toBe(false)
  expect(accepts(parseServerDescriptor, lines.join('\n'))).toBe(true)
})

test('one malformed microdescriptor does not cost the others', () => {
  const text = captured('microdescriptors')
  const broken = text.replace('ntor-onion-key ', 'ntor-onion-key !')
  const { found, malformed } = parseMicrodescriptorsLeniently(broken)
  expect([found.length, malformed.length]).toEqual([5, 1])
  expect(parseMicrodescriptorsLeniently('nothing here').found).toEqual([])
})

test('what is too long is refused', () => {
  const [text] = splitDocuments(captured('server-descriptors'), 'router')
  expect(() => parseServerDescriptor((text ?? '').replace('contact ', `contact ${'x'.repeat(20_000)}`))).toThrow(/longer/)
})

/** A consensus of that many relays, made from the captured one. */
function largeConsensus(name: string, count: number): string {
  const small = parseConsensus(captured(name))
  const relays = Array.from({ length: count }, (_, i) => {
    const model = small.relays[i % small.relays.length]
    if (model === undefined) throw new Error('no relays')
    const rsaIdentity = model.rsaIdentity.slice()
    rsaIdentity.set([i >> 8, i & 255])
    const flags = new Set([...model.flags].filter((_flag, bit) => ((i >> bit) & 1) === 0))
    return { ...model, rsaIdentity, nickname: `relay${i}`, address: `10.${i >> 8}.${i & 255}.1`, bandwidth: i * 7, flags }
  })
  const content: ConsensusContent = { ...small, relays }
  return assembleConsensus(emitUnsignedConsensus(content), small.signatures)
}

describe('a consensus of 8,000 relays', () => {
  test.each(['consensus-ns', 'consensus-microdesc'])('%s is read in bounded time and memory', (name) => {
    const text = largeConsensus(name, 8000)
    parseConsensus(text)
    // The best of some runs: other work on the machine must not fail this. A quiet machine needs well under a tenth.
    let best = Infinity
    let relays = 0
    for (let i = 0; i < 4; i++) {
      const start = performance.now()
      relays = parseConsensus(text).relays.length
      best = Math.min(best, performance.now() - start)
    }
    expect(relays).toBe(8000)
    expect(best).toBeLessThan(1000)
    const before = process.memoryUsage().heapUsed
    const held = parseConsensus(text)
    expect((process.memoryUsage().heapUsed - before) / 2 ** 20).toBeLessThan(150)
    expect(held.relays[7999]?.nickname).toBe('relay7999')
  })
})
