/** Runs a fuzzer for a number of cases and reports the first breach, made smaller. */

import { concatBytes } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import type { Fuzzer } from './fuzzer.ts'
import { mutate } from './mutate.ts'

export interface Breach {
  readonly fuzzer: string
  readonly seed: string
  readonly case: number
  readonly words: string
  readonly input: Uint8Array
  readonly stack: string | undefined
}

export interface FuzzOutcome {
  readonly cases: number
  /** Cases that decoded without an error: a fuzzer whose inputs all fail early tests little. */
  readonly accepted: number
  readonly breach: Breach | undefined
}

/** No single input may take longer. Far above what is normal, since other work shares the machine. */
const caseMsMax = 3000
const resultAllowance = 256 * 1024
const shrinkAttemptsMax = 2000

export function runFuzzer(fuzzer: Fuzzer, seed: string, cases: number, untilMs = Number.POSITIVE_INFINITY): FuzzOutcome {
  const corpus = fuzzer.corpus()
  let accepted = 0
  let done = 0
  for (; done < cases && performance.now() < untilMs; done++) {
    const rng = new SeededRng(`${seed}/${fuzzer.name}/${done}`)
    // The corpus itself comes first, unharmed.
    const input = corpus[done] ?? mutate(rng, corpus, fuzzer.form, fuzzer.inputBytesMax)
    const result = tryInput(fuzzer, input, `${seed}/${done}`)
    if (result.words === undefined) {
      if (result.accepted) accepted++
      else if (done < corpus.length) {
        return { cases: done + 1, accepted, breach: { fuzzer: fuzzer.name, seed, case: done, words: `corpus entry ${done} is not accepted: ${result.refusal}`, input, stack: undefined } }
      }
      continue
    }
    const small = shrink(fuzzer, input, `${seed}/${done}`)
    const last = tryInput(fuzzer, small, `${seed}/${done}`)
    return { cases: done + 1, accepted, breach: { fuzzer: fuzzer.name, seed, case: done, words: last.words ?? result.words, input: small, stack: last.stack ?? result.stack } }
  }
  return { cases: done, accepted, breach: undefined }
}

interface Tried {
  readonly accepted: boolean
  readonly refusal: string | undefined
  /** What went wrong; undefined when all is well. */
  readonly words: string | undefined
  readonly stack: string | undefined
}

function tryInput(fuzzer: Fuzzer, input: Uint8Array, rngSeed: string): Tried {
  const given = input.slice()
  const startMs = performance.now()
  let result: unknown
  let accepted = true
  let refusal: string | undefined
  try {
    result = fuzzer.run(given, new SeededRng(rngSeed))
  } catch (thrown) {
    accepted = false
    refusal = thrown instanceof Error ? thrown.message : String(thrown)
    if (!(thrown instanceof RelishError) || !fuzzer.allowed.includes(thrown.kind)) {
      const kind = thrown instanceof RelishError ? `RelishError of kind ${thrown.kind}` : 'foreign error'
      return { accepted, refusal, words: `${kind}: ${refusal}`, stack: thrown instanceof Error ? thrown.stack : undefined }
    }
  }
  const tookMs = performance.now() - startMs
  const fail = (words: string): Tried => ({ accepted, refusal, words, stack: undefined })
  if (tookMs > caseMsMax) return fail(`took ${Math.round(tookMs)} ms for ${input.length} bytes`)
  const sizeMax = resultAllowance + (fuzzer.growthMax ?? 64) * input.length
  if (sizeOf(result, sizeMax) > sizeMax) return fail(`${input.length} bytes became more than ${sizeMax}`)
  return { accepted, refusal, words: undefined, stack: undefined }
}

/** Bytes, characters and entries in a value; stops counting past `limit`. */
function sizeOf(value: unknown, limit: number): number {
  let size = 0
  const seen = new Set<object>()
  const stack: unknown[] = [value]
  while (stack.length > 0 && size <= limit) {
    const item = stack.pop()
    size++
    if (typeof item === 'string') size += item.length
    else if (item instanceof Uint8Array) size += item.length
    else if (typeof item === 'object' && item !== null && !seen.has(item)) {
      seen.add(item)
      if (item instanceof Map) for (const [key, entry] of item) stack.push(key, entry)
      else if (item instanceof Set || Array.isArray(item)) stack.push(...item)
      else stack.push(...Object.values(item))
    }
  }
  return size
}

/** Takes pieces out of a failing input as long as it goes on failing. */
function shrink(fuzzer: Fuzzer, input: Uint8Array, rngSeed: string): Uint8Array {
  const fails = (candidate: Uint8Array): boolean => tryInput(fuzzer, candidate, rngSeed).words !== undefined
  let best = input
  let attempts = 0
  for (let piece = Math.ceil(best.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let at = 0; at < best.length && attempts < shrinkAttemptsMax; ) {
      const candidate = concatBytes([best.subarray(0, at), best.subarray(at + piece)])
      attempts++
      if (candidate.length < best.length && fails(candidate)) best = candidate
      else at += piece
    }
  }
  return best
}

/** One paragraph with all that is needed to see a breach again. */
export function describeBreach(breach: Breach): string {
  const hex = Buffer.from(breach.input).toString('hex')
  const shown = hex.length > 4000 ? `${hex.slice(0, 4000)}… (${breach.input.length} bytes)` : hex
  return [
    `${breach.fuzzer}, seed ${breach.seed}, case ${breach.case}: ${breach.words}`,
    `input: ${shown}`,
    `as text: ${JSON.stringify(Buffer.from(breach.input.subarray(0, 400)).toString('latin1'))}`,
    ...(breach.stack === undefined ? [] : [breach.stack]),
    `again: node test/fuzz/long.js ${breach.fuzzer} --seed ${breach.seed} --cases ${breach.case + 1}`,
  ].join('\n')
}
