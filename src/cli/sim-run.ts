/** What runs of `relish sim` have in common, whether of a network, a scenario or a seed with faults. */

import type { SimulationLogLine } from '../sim/simulation.ts'
import type { SimulatedNetwork } from '../testnet/backend/simulated.ts'
import type { Violation } from '../testnet/invariant/violation.ts'
import type { LogLevelName } from './options.ts'
import { secondsText, type Output } from './output.ts'

export interface SimOptions {
  readonly seed?: string
  readonly json?: boolean
  readonly only?: readonly string[]
  readonly trace?: string
  readonly logLevel?: LogLevelName
  readonly set?: readonly string[]
  /** Milliseconds. */
  readonly for?: number
  readonly seeds?: number
  /** True: drawn from the seed. Text: these. */
  readonly faults?: true | string
  readonly workers?: number
  readonly twice?: boolean
  readonly replay?: string
  readonly step?: boolean
  readonly break?: readonly string[]
}

/** What each event of a run is given to, and what logs are. */
export interface SimSinks {
  readonly traceSink?: (line: string) => void
  /** Asked before each event: a promise while time is to stand still. */
  readonly paused?: (network: SimulatedNetwork) => Promise<void> | undefined
}

export interface SimEnd {
  readonly exitCode: number
  readonly digest: string
}

export const seedOf = (options: SimOptions): string => options.seed ?? '1'

/** `--log-level`, as a run takes it. */
export function loggingTo(output: Output, options: SimOptions): { logLevel: LogLevelName; logSink: (line: SimulationLogLine) => void } | Record<never, never> {
  if (options.logLevel === undefined) return {}
  return {
    logLevel: options.logLevel,
    logSink: (line) => output.note(`${clock(line.atMs)} ${line.node.padEnd(8)} [${line.level}] {${line.domain}} ${line.message}`),
  }
}

/** What happened when, for whoever watches. */
export const noteTo = (output: Output) => (atMs: number, words: string): void => output.note(`${clock(atMs)} ${words}`)

const clock = (atMs: number): string => `[${(atMs / 1000).toFixed(3).padStart(8)}]`

/** How long a run took, in its time and in ours. */
export const timesText = ({ virtualMs, events }: { readonly virtualMs: number; readonly events: number }, realMs: number): string => `${secondsText(virtualMs)} of virtual time in ${secondsText(realMs)}, ${events} events`

/** What must not happen, and did. */
export function tellBroken(output: Output, bugs: readonly { readonly node: string; readonly error: string }[], violations: readonly Violation[]): void {
  for (const bug of bugs) output.note(output.colours.red(`${bug.node} ended by an internal error: ${bug.error}`))
  for (const violation of violations) output.note(output.colours.red(`BROKEN   ${violation.invariant} at ${secondsText(violation.atMs)}, ${violation.node}: ${violation.words}`))
}
