/**
 * How many introductions a relay passes on to one service: a bucket of tokens, by the parameters of the consensus or by
 * those the service asked for when it established its introduction point (rend-spec-v3 §3.1.1.1, param-spec §8).
 */

import { RelishError } from '../base/errors.ts'
import type { MonotonicMs } from '../base/time.ts'
import { decodeIntroDosParameters, EstablishIntroExtension, IntroDosParameter, type HsExtension, type IntroDosParameters } from '../cell/hs-messages.ts'
import { TokenBucket } from './token-bucket.ts'

export interface IntroDosLimits {
  readonly enabled: boolean
  readonly ratePerSec: number
  /** Introductions at once: the size of the bucket. */
  readonly burst: number
}

/** Greatest value of either parameter (rend-spec-v3 §3.1.1.1). */
const PARAMETER_MAX = 0x7fff_ffffn

const disabled: IntroDosLimits = Object.freeze({ enabled: false, ratePerSec: 0, burst: 0 })

/** The limits that ESTABLISH_INTRO's extensions ask for; undefined when they ask for none, so that the consensus decides. */
export function limitsOfExtensions(extensions: readonly HsExtension[]): IntroDosLimits | undefined {
  const asked = extensions.find((extension) => extension.type === EstablishIntroExtension.DOS_PARAMETERS)
  const parameters = asked === undefined ? undefined : readParameters(asked.field)
  if (parameters === undefined) return undefined
  const valueOf = (type: IntroDosParameter): bigint => parameters.findLast((parameter) => parameter.type === type)?.value ?? 0n
  const rate = valueOf(IntroDosParameter.INTRODUCE2_RATE_PER_SEC)
  const burst = valueOf(IntroDosParameter.INTRODUCE2_BURST_PER_SEC)
  // rend-spec-v3 §3.1.1.1: a parameter of zero switches the defence off. C tor does the same for values that are not allowed.
  if (rate === 0n || burst === 0n || rate > PARAMETER_MAX || burst > PARAMETER_MAX || burst < rate) return disabled
  return { enabled: true, ratePerSec: Number(rate), burst: Number(burst) }
}

/** Undefined for what cannot be read or has parameters we do not know: as C tor has it, the extension then says nothing. */
function readParameters(field: Uint8Array): IntroDosParameters | undefined {
  try {
    const parameters = decodeIntroDosParameters(field)
    return parameters.every((parameter) => IntroDosParameter.isKnown(parameter.type)) ? parameters : undefined
  } catch (error) {
    if (error instanceof RelishError && error.kind === 'protocol') return undefined
    throw error
  }
}

/** The defence of one introduction circuit. */
export class IntroDosDefence {
  readonly #asked: IntroDosLimits | undefined
  readonly #network: () => IntroDosLimits
  readonly #bucket: TokenBucket

  /** `network`: what the consensus says, as of now. */
  constructor(now: MonotonicMs, asked: IntroDosLimits | undefined, network: () => IntroDosLimits) {
    this.#asked = asked
    this.#network = network
    const { ratePerSec, burst } = this.#limits
    this.#bucket = new TokenBucket(now, ratePerSec, burst)
  }

  /** Whether one more introduction may go to the service; counts it. */
  allow(now: MonotonicMs): boolean {
    const { enabled, ratePerSec, burst } = this.#limits
    this.#bucket.adjust(ratePerSec, burst)
    if (!enabled) return true
    this.#bucket.refill(now)
    this.#bucket.take(1)
    // As in C tor, the last token stays: a burst of N lets N - 1 through.
    return this.#bucket.tokens > 0
  }

  get #limits(): IntroDosLimits {
    return this.#asked ?? this.#network()
  }
}
