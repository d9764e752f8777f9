/** Explanations in words, whether they come from a trace or from a running network. */

import type { FlagExplanation, GuardExplanation, PlaceExplanation } from '../runtime/trace.ts'
import { placeText } from './words.ts'

export interface Section {
  readonly heading: string
  readonly lines: readonly string[]
}

export interface ExplainedCircuit {
  readonly kind: string
  /** Fingerprints. */
  readonly path: readonly string[]
  readonly guard?: { readonly chosen: string; readonly because: string; readonly sample: readonly GuardExplanation[] }
  readonly places: readonly PlaceExplanation[]
}

/** Why a circuit has its path. `names`: of its hops, where the explanation does not have them. */
export function circuitSection(id: string, nameOf: (fingerprint: string) => string, circuit: ExplainedCircuit, names: readonly string[] = []): Section {
  const path = circuit.path.length > 0 ? circuit.path.map(nameOf) : names
  const { guard } = circuit
  return {
    heading: `${id}: why ${path.join(', ')}`,
    lines: [
      ...(circuit.places.length === 0 ? [path.length < 2 ? 'one hop: a directory, or a relay that was asked for' : 'its relays were named by whoever asked for it'] : []),
      ...(guard === undefined ? [] : [`guard ${nameOf(guard.chosen)}: ${guard.because}`, `guards: ${guard.sample.map((one) => `${nameOf(one.fingerprint)} (${one.state})`).join(', ')}`]),
      ...circuit.places.map((place) => placeText({ nameOf }, place)),
    ],
  }
}

/** What one authority says of a relay. Flags that are missing come first, each with the rules that are not met. */
export function flagSection(authority: string, of: { readonly thresholds: string; readonly flags: readonly FlagExplanation[] }): Section {
  const missing = of.flags.filter((flag) => !flag.given)
  const given = of.flags.filter((flag) => flag.given).map((flag) => flag.flag)
  return {
    heading: `${authority} votes for ${given.length === 0 ? 'no flag' : given.join(' ')}`,
    lines: [
      ...missing.flatMap((flag) => {
        const unmet = flag.because.filter((rule) => !rule.met)
        return [`no ${flag.flag}: ${unmet.length === 0 ? 'by a rule that is not told' : unmet.map((rule) => `${rule.rule}: it has ${rule.has}, needs ${rule.needs}`).join('; ')}`]
      }),
      ...(of.thresholds === '' ? [] : [`thresholds: ${of.thresholds}`]),
    ],
  }
}
