/** Two builds over the same seeds: every figure of each pair of runs, and what the pairs say together. */

import { asRelishError, type RelishError } from '../../core/base/errors.ts'
import { figures, type FigureName, type Figures } from './measure-run.ts'
import { pairedDifference, type PairedDifference } from './paired-difference.ts'

export interface ComparedFigure extends PairedDifference {
  readonly name: FigureName
  readonly verdict: 'better' | 'worse' | 'no difference shown'
}

export interface Comparison {
  readonly figures: readonly ComparedFigure[]
  /** Seeds whose runs both came to an end: the pairs. */
  readonly seeds: readonly string[]
  readonly runs: readonly { readonly seed: string; readonly a: Figures; readonly b: Figures }[]
  /** Runs that did not. */
  readonly failed: readonly { readonly seed: string; readonly build: 'a' | 'b'; readonly reason: string }[]
}

/** `run` measures one build with one seed; as many run at a time as `jobs` says. */
export async function compareBuilds(seeds: readonly string[], jobs: number, run: (build: 'a' | 'b', seed: string) => Promise<Figures>, onRun: (done: number) => void): Promise<Comparison> {
  const waiting = seeds.flatMap((seed) => [{ seed, build: 'a' as const }, { seed, build: 'b' as const }])
  const done = new Map<string, Figures | RelishError>()
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { seed, build } = next
      done.set(`${build} ${seed}`, await run(build, seed).catch(asRelishError))
      onRun(done.size)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  const runs: Comparison['runs'][number][] = []
  const failed: Comparison['failed'][number][] = []
  for (const seed of seeds) {
    const [a, b] = [done.get(`a ${seed}`), done.get(`b ${seed}`)]
    if (a instanceof Error) failed.push({ seed, build: 'a', reason: a.message })
    if (b instanceof Error) failed.push({ seed, build: 'b', reason: b.message })
    if (a !== undefined && b !== undefined && !(a instanceof Error) && !(b instanceof Error)) runs.push({ seed, a, b })
  }
  const compared = (Object.keys(figures) as FigureName[]).flatMap((name): ComparedFigure[] => {
    const difference = pairedDifference(runs.map((one) => one.a[name]), runs.map((one) => one.b[name]))
    return difference === undefined ? [] : [{ name, ...difference, verdict: verdictOf(name, difference) }]
  })
  return { figures: compared, seeds: runs.map((one) => one.seed), runs, failed }
}

function verdictOf(name: FigureName, difference: PairedDifference): ComparedFigure['verdict'] {
  if (!difference.significant) return 'no difference shown'
  return (difference.change > 0) === (figures[name].more === 'better') ? 'better' : 'worse'
}
