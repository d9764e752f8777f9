/** The name system of a simulation: scripted answers, and nothing from outside. */

import { canonicalIp } from '../core/ident/address.ts'
import type { ResolveResult, Resolver } from '../runtime/index.ts'
import type { EventQueue } from './event-queue.ts'
import type { ProgramGuard } from './sim-stream.ts'

/** What the servers say. `timeout` and `failure` are transient: the asker may try again. */
export type NameAnswer = { readonly addresses: readonly string[]; readonly ttlSec: number } | 'no-such-name' | 'timeout' | 'failure'

export interface NameQuestion {
  readonly name: string
  readonly type: 'address' | 'PTR'
  /** The machine that asked. */
  readonly from: string
}

const answerDelayUs = 500
const timeoutUs = 15_000_000
const defaultTtlSec = 60

export class SimNames {
  readonly #queue: EventQueue
  readonly #forward = new Map<string, NameAnswer>()
  readonly #reverse = new Map<string, string>()
  readonly #onQuestion: (question: NameQuestion) => void

  constructor(queue: EventQueue, onQuestion: (question: NameQuestion) => void) {
    this.#queue = queue
    this.#onQuestion = onQuestion
    this.#forward.set('localhost', { addresses: ['127.0.0.1', '::1'], ttlSec: defaultTtlSec })
  }

  setAnswer(name: string, answer: NameAnswer): void {
    this.#forward.set(name.toLowerCase(), answer)
  }

  setAddresses(name: string, addresses: readonly string[], ttlSec = defaultTtlSec): void {
    this.setAnswer(name, { addresses, ttlSec })
  }

  /** What PTR of `address` answers. */
  setName(address: string, name: string): void {
    this.#reverse.set(canonicalIp(address) ?? address, name)
  }

  forProgram(program: ProgramGuard & { readonly machine: { readonly name: string } }): Resolver {
    const from = program.machine.name
    return {
      resolve: (name, onResult) => {
        this.#onQuestion({ name, type: 'address', from })
        const answer = this.#forward.get(name.toLowerCase()) ?? 'no-such-name'
        this.#queue.schedule(answer === 'timeout' ? timeoutUs : answerDelayUs, () => program.run(() => onResult(toResult(answer))))
      },
      reverse: (address, onResult) => {
        this.#onQuestion({ name: address, type: 'PTR', from })
        const name = this.#reverse.get(canonicalIp(address) ?? address)
        const result: ResolveResult =
          name === undefined ? { kind: 'failed', transient: false, reason: 'no such name' } : { kind: 'names', names: [name], ttlSec: defaultTtlSec }
        this.#queue.schedule(answerDelayUs, () => program.run(() => onResult(result)))
      },
    }
  }
}

function toResult(answer: NameAnswer): ResolveResult {
  switch (answer) {
    case 'no-such-name':
      return { kind: 'failed', transient: false, reason: 'no such name' }
    case 'timeout':
      return { kind: 'failed', transient: true, reason: 'no name server answered' }
    case 'failure':
      return { kind: 'failed', transient: true, reason: 'the name server failed' }
    default:
      return { kind: 'addresses', addresses: answer.addresses, ttlSec: answer.ttlSec }
  }
}
