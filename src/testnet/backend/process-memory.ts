/**
 * What the nodes of one process share (`WorkMemory`): texts that one of them has read, with what was made of them. Two
 * generations: what is asked for moves to the younger; when that is full, the older goes.
 */

import type { WorkMemory } from '../../runtime/index.ts'
import { sharedTextCharsMax } from '../limits.ts'

export class ProcessMemory implements WorkMemory {
  #young = new Map<string, Map<string, unknown>>()
  #old = new Map<string, Map<string, unknown>>()
  #youngChars = 0
  readonly #derived = new WeakMap<object, Map<string, unknown>>()

  remember<T>(kind: string, input: string, work: (input: string) => T): T {
    const young = this.#young.get(kind)
    if (young?.has(input) === true) return young.get(input) as T
    const old = this.#old.get(kind)
    const result = old?.has(input) === true ? (old.get(input) as T) : work(input)
    this.#keep(kind, input, result)
    return result
  }

  derive<From extends object, T>(kind: string, from: From, work: (from: From) => T): T {
    let known = this.#derived.get(from)
    if (known === undefined) {
      known = new Map()
      this.#derived.set(from, known)
    }
    if (known.has(kind)) return known.get(kind) as T
    const result = work(from)
    known.set(kind, result)
    return result
  }

  #keep(kind: string, input: string, result: unknown): void {
    if (this.#youngChars + input.length > sharedTextCharsMax / 2) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngChars = 0
    }
    const kept = this.#young.get(kind)
    if (kept === undefined) this.#young.set(kind, new Map([[input, result]]))
    else kept.set(input, result)
    this.#youngChars += input.length
  }
}
