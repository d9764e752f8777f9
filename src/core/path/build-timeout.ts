/**
 * How long a circuit may take to be built (path-spec §2.4). The timeout is the one that holds before anything is
 * learned, or the configured one; learning from `noteBuilt` and `noteTimeout` has its place here and nowhere else.
 */

import type { NetworkParameters } from '../netdir/parameters.ts'

export interface BuildTimeoutRules {
  /** `CircuitBuildTimeout`, milliseconds; undefined where it is not set. */
  readonly configuredMs: number | undefined
}

/** Hops that the timeout is stated for; longer circuits get more, in proportion to the round trips that building takes. */
const measuredHops = 3

export class BuildTimeouts {
  readonly #rules: BuildTimeoutRules
  #parameters: NetworkParameters

  constructor(rules: BuildTimeoutRules, parameters: NetworkParameters) {
    this.#rules = rules
    this.#parameters = parameters
  }

  update(parameters: NetworkParameters): void {
    this.#parameters = parameters
  }

  /** How long to wait for a circuit of so many hops before it is given up. */
  timeoutMs(hops: number): number {
    const base = this.#rules.configuredMs ?? this.#parameters.get('cbtinitialtimeout')
    if (hops <= measuredHops) return base
    // Building h hops makes cells cross links h(h+1)/2 times; C tor adds a second for the hop that came later.
    return base * ((hops * (hops + 1)) / (measuredHops * (measuredHops + 1))) + 1000
  }
}
