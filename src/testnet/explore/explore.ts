/** Many seeds, on several runners at a time; what fails is run again with less until no less of it fails. */

import { asRelishError } from '../../core/base/errors.ts'
import type { TimedFault } from '../fault/fault.ts'
import type { LoadedNetwork } from '../load-network.ts'
import { shrinkRunsMax } from '../limits.ts'
import type { SeedOutcome, SeedResult } from './run-seed.ts'

/** One run of a seed. `settings` come after those of the command line. */
export interface SeedTask {
  readonly seed: string
  /** Undefined: those that the seed draws. */
  readonly faults: readonly TimedFault[] | undefined
  readonly settings: readonly string[]
}

export interface RanSeed extends SeedResult {
  /** Those that happened. */
  readonly faults: readonly TimedFault[]
}

/** Runs one seed at a time: here, or in a process of its own. */
export interface SeedRunner {
  run(task: SeedTask): Promise<RanSeed>
  close(): void
}

export interface SeedFailure {
  readonly ran: RanSeed
  /** The least that fails in the same way. */
  readonly shrunk: { readonly task: SeedTask; readonly ran: RanSeed } | undefined
}

export interface Exploration {
  readonly seeds: number
  readonly failures: readonly SeedFailure[]
}

export interface ExploreOptions {
  readonly seeds: readonly string[]
  /** Empty list: no faults. */
  readonly faults: readonly TimedFault[] | undefined
  readonly runners: readonly SeedRunner[]
  readonly network: LoadedNetwork
  readonly onRan?: (ran: RanSeed, done: number) => void
  readonly onShrinking?: (ran: RanSeed) => void
}

export async function explore(options: ExploreOptions): Promise<Exploration> {
  const waiting = [...options.seeds]
  const failed: RanSeed[] = []
  let done = 0
  await Promise.all(
    options.runners.map(async (runner) => {
      for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
        const ran = await runner.run({ seed, faults: options.faults, settings: [] })
        if (ran.outcome.kind !== 'ok') failed.push(ran)
        options.onRan?.(ran, ++done)
      }
    }),
  )
  // In the order of the seeds, whoever was faster.
  failed.sort((a, b) => options.seeds.indexOf(a.seed) - options.seeds.indexOf(b.seed))
  const failures: SeedFailure[] = []
  for (const ran of failed) {
    // Failures of one kind have one cause, more often than not: the first of each is worth the time.
    const known = failures.some((failure) => sameFailure(failure.ran.outcome, ran.outcome))
    if (!known) options.onShrinking?.(ran)
    const [runner] = options.runners
    failures.push({ ran, shrunk: known || runner === undefined ? undefined : await shrink(ran, options.network, runner) })
  }
  return { seeds: options.seeds.length, failures }
}

/** Fewer faults, then fewer nodes, as long as it still fails in the same way. */
async function shrink(ran: RanSeed, network: LoadedNetwork, runner: SeedRunner): Promise<SeedFailure['shrunk']> {
  let best: { task: SeedTask; ran: RanSeed } | undefined
  let task: SeedTask = { seed: ran.seed, faults: ran.faults, settings: [] }
  let runs = 0
  const stillFails = async (less: SeedTask): Promise<boolean> => {
    if (runs++ >= shrinkRunsMax) return false
    const again = await runner.run(less).catch((error: unknown) => {
      // So small a network is none any more.
      if (asRelishError(error).kind === 'config') return undefined
      throw error
    })
    if (again === undefined || !sameFailure(again.outcome, ran.outcome)) return false
    best = { task: less, ran: again }
    task = less
    return true
  }
  for (let index = 0; index < (task.faults?.length ?? 0); ) {
    const faults = (task.faults ?? []).filter((_, at) => at !== index)
    if (!(await stillFails({ ...task, faults }))) index++
  }
  for (const group of network.file.nodes) {
    const name = group.name ?? group.role
    const least = group.role === 'relay' ? 0 : 1
    for (let count = (group.count ?? 1) - 1; count >= least; count--) {
      const gone = `${name}${count + 1}`
      const faults = (task.faults ?? []).flatMap((one) => without(gone, one))
      const settings = [...task.settings.filter((setting) => !setting.startsWith(`${name}=`)), `${name}=${count}`]
      if (!(await stillFails({ ...task, faults, settings }))) break
    }
  }
  return best
}

/** The fault without a node that is gone; nothing if it was about that node. */
function without(gone: string, timed: TimedFault): readonly TimedFault[] {
  const { fault } = timed
  if ('node' in fault) return fault.node === gone ? [] : [timed]
  if ('ends' in fault) return fault.ends.includes(gone) ? [] : [timed]
  const [one, other] = fault.sides.map((side) => side.filter((name) => name !== gone))
  if (one === undefined || other === undefined || one.length === 0 || other.length === 0) return []
  return [{ ...timed, fault: { kind: 'partition', sides: [one, other] } }]
}

/** Of one kind, and an invariant of one name. */
function sameFailure(one: SeedOutcome, other: SeedOutcome): boolean {
  if (one.kind !== other.kind || one.kind === 'ok' || other.kind === 'ok') return false
  return one.kind !== 'invariant' || one.words.split(',')[0] === other.words.split(',')[0]
}
