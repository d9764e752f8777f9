/** Makes damaged inputs from good ones. Everything follows from the Rng. */

import { concatBytes, latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import { randomBelow, randomChoice, shuffled, type Rng } from '../../src/core/base/rng.ts'

const interestingBytes = [0, 1, 2, 7, 10, 13, 32, 0x7f, 0x80, 0xfe, 0xff]
const interestingWords = [
  '', '0', '-1', '1', '255', '256', '65535', '65536', '2147483647', '2147483648', '4294967296', '9007199254740993', '1e9', '0x10', '00', '+1', 'NaN', '1.5',
  '999999999999999999999999', 'a'.repeat(300), '\0', '\x7f', '\xff\xfe', '=', '==', '::', '[::]', '*:*', '0.0.0.0/0', '256.1.1.1', '-----BEGIN X-----', '-----END X-----',
  '9999-12-31', '0000-00-00', '23:59:60', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '1-4294967295', '0-63', '%s%n', '"', '\\',
]

export function mutate(rng: Rng, corpus: readonly Uint8Array[], form: 'bytes' | 'text', bytesMax: number): Uint8Array {
  let input = randomChoice(rng, corpus) ?? new Uint8Array(0)
  // One case in sixteen is sheer noise.
  if (randomBelow(rng, 16) === 0) return rng.bytes(randomBelow(rng, Math.min(bytesMax, 600) + 1))
  const rounds = 1 + randomBelow(rng, 4)
  for (let i = 0; i < rounds; i++) {
    input = form === 'text' && randomBelow(rng, 4) !== 0 ? mutateText(rng, input, corpus) : mutateBytes(rng, input, corpus)
  }
  return input.length > bytesMax ? input.slice(0, bytesMax) : input
}

function mutateBytes(rng: Rng, input: Uint8Array, corpus: readonly Uint8Array[]): Uint8Array {
  const at = randomBelow(rng, input.length + 1)
  const length = randomBelow(rng, Math.min(input.length - at, 64) + 1)
  const out = input.slice()
  switch (randomBelow(rng, 9)) {
    case 0: // one bit
      if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << randomBelow(rng, 8))
      return out
    case 1: // one byte, to a value at an edge
      if (at < out.length) out[at] = randomChoice(rng, interestingBytes) ?? 0
      return out
    case 2: // one byte, one more or less: length fields
      if (at < out.length) out[at] = (out[at] ?? 0) + (randomBelow(rng, 2) === 0 ? 1 : 255)
      return out
    case 3: // cut off
      return input.slice(0, at)
    case 4: // take out
      return concatBytes([input.subarray(0, at), input.subarray(at + length)])
    case 5: // repeat
      return concatBytes([input.subarray(0, at + length), input.subarray(at)])
    case 6: // put in noise
      return concatBytes([input.subarray(0, at), rng.bytes(length), input.subarray(at)])
    case 7: // put in zeros or ones
      return concatBytes([input.subarray(0, at), new Uint8Array(length).fill(randomBelow(rng, 2) * 255), input.subarray(at)])
    default: {
      // the beginning of one, the end of another
      const other = randomChoice(rng, corpus) ?? input
      return concatBytes([input.subarray(0, at), other.subarray(randomBelow(rng, other.length + 1))])
    }
  }
}

function mutateText(rng: Rng, input: Uint8Array, corpus: readonly Uint8Array[]): Uint8Array {
  const lines = latin1Decode(input).split('\n')
  const at = randomBelow(rng, lines.length)
  const line = lines[at] ?? ''
  switch (randomBelow(rng, 9)) {
    case 0:
      lines.splice(at, 1)
      break
    case 1:
      lines.splice(at, 0, line)
      break
    case 2: {
      const other = randomBelow(rng, lines.length)
      lines[at] = lines[other] ?? ''
      lines[other] = line
      break
    }
    case 3: // many times the same line
      lines.splice(at, 0, ...new Array<string>(1 + randomBelow(rng, 50)).fill(line))
      break
    case 4: {
      // a line of another document
      const other = latin1Decode(randomChoice(rng, corpus) ?? input).split('\n')
      lines.splice(at, 0, randomChoice(rng, other) ?? '')
      break
    }
    case 5: {
      // one word becomes another
      const words = line.split(' ')
      words[randomBelow(rng, words.length)] = randomChoice(rng, interestingWords) ?? ''
      lines[at] = words.join(' ')
      break
    }
    case 6: {
      // one word more
      const words = line.split(' ')
      words.splice(randomBelow(rng, words.length + 1), 0, randomChoice(rng, interestingWords) ?? '')
      lines[at] = words.join(' ')
      break
    }
    case 7: {
      const words = line.split(' ')
      lines[at] = [words[0] ?? '', ...shuffled(rng, words.slice(1))].join(' ')
      break
    }
    default:
      lines[at] = `${line}${randomChoice(rng, ['\r', '\0', ' ', '\t', '#', '\\', '"', ' '.repeat(2000)]) ?? ''}`
  }
  return latin1Encode(lines.join('\n'))
}
