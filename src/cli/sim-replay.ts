/**
 * `relish sim --replay FILE`: the first line of a trace says how the run was asked for; it is run again, and compared event
 * by event. With `--core` the same is asked of another build: where it first does something else.
 */

import { closeSync, openSync, readSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { asRelishError, RelishError } from '../core/base/errors.ts'
import { traceLineCharsMax } from '../testnet/limits.ts'
import { exitCode } from './exit-codes.ts'
import { silentOutput, type Output } from './output.ts'
import { seedOf, type SimEnd, type SimOptions, type SimSinks } from './sim-run.ts'

/** What a run was asked for, as its trace has it: `run` of the header. */
interface Recipe {
  /** A built-in name, or a path from the trace's folder. */
  readonly network: string
  readonly seed: string
  readonly only?: readonly string[]
  readonly set?: readonly string[]
  readonly for?: number
  readonly faults?: true | string
}

const isPath = (network: string): boolean => /[/\\]|\.ya?ml$/.test(network)

/** Gives `sink` the lines of the trace that goes to `file`, with the recipe in the first of them. */
export function withRecipe(network: string, file: string, options: SimOptions, sink: (line: string) => void): (line: string) => void {
  const { only, set, faults } = options
  const run: Recipe = {
    // Not from where this program runs: the two are moved together, and the trace is the same wherever they are.
    network: isPath(network) ? relative(dirname(resolve(file)), resolve(network)) : network,
    seed: seedOf(options),
    ...(only === undefined ? {} : { only }),
    ...(set === undefined ? {} : { set }),
    ...(options.for === undefined ? {} : { for: options.for }),
    ...(faults === undefined ? {} : { faults }),
  }
  let first = true
  return (line) => {
    sink(first ? JSON.stringify({ ...(JSON.parse(line) as object), run }) : line)
    first = false
  }
}

type Run = (network: string, options: SimOptions, output: Output, sinks: SimSinks) => Promise<SimEnd>

/** Settings and seed given now count over the recorded ones. */
export async function replay(path: string, options: SimOptions, output: Output, run: Run): Promise<number> {
  const recorded = new LineReader(path)
  try {
    const recipe = recipeOf(recorded.next(), path)
    const { replay: _replay, ...now } = options
    const settings = [...(recipe.set ?? []), ...(now.set ?? [])]
    const again: SimOptions = {
      ...(recipe.only === undefined ? {} : { only: recipe.only }),
      ...(recipe.for === undefined ? {} : { for: recipe.for }),
      ...(recipe.faults === undefined ? {} : { faults: recipe.faults }),
      seed: recipe.seed,
      ...now,
      ...(settings.length === 0 ? {} : { set: settings }),
    }
    let events = -1
    let difference: { readonly recorded: string | undefined; readonly now: string | undefined } | undefined
    let failure: RelishError | undefined
    await run(isPath(recipe.network) ? resolve(dirname(path), recipe.network) : recipe.network, again, silentOutput(output), {
      traceSink: (line) => {
        if (difference !== undefined) return
        events++
        // The first line is the header, which has been read.
        if (events === 0) return
        const before = recorded.next()
        if (before !== line) difference = { recorded: before, now: line }
      },
    }).catch((thrown: unknown) => {
      // A run that comes to a bad end may do so for what differs.
      failure = asRelishError(thrown)
    })
    if (failure !== undefined && difference === undefined) throw failure
    const left = difference === undefined ? recorded.next() : undefined
    if (left !== undefined) difference = { recorded: left, now: undefined }
    if (options.json === true) output.json({ trace: path, ...recipe, same: difference === undefined, events, ...(difference === undefined ? {} : { difference }) })
    else if (difference === undefined) output.note(output.colours.green(`the same run: ${events} events`))
    else {
      output.note(output.colours.red(`event ${events} is the first that differs`))
      output.note(`  recorded: ${difference.recorded ?? 'the run had ended'}`)
      output.note(`  now:      ${difference.now ?? 'the run has ended'}`)
      if (failure !== undefined) output.note(`the run then came to a bad end: ${failure.message.split('\n')[0]}`)
    }
    return difference === undefined ? exitCode.ok : exitCode.checkFailed
  } finally {
    recorded.close()
  }
}

function recipeOf(header: string | undefined, path: string): Recipe {
  let value: { readonly format?: unknown; readonly run?: Recipe } = {}
  try {
    value = JSON.parse(header ?? '') as typeof value
  } catch {
    // Said below.
  }
  if (value.format !== 'relish-trace') throw new RelishError('config', `${path} is no trace`)
  if (value.run === undefined) throw new RelishError('config', `${path} does not say how its run was asked for`, { hint: 'traces of relish sim --trace do' })
  return value.run
}

/** Lines of a file, one at a time, in turns that must not wait. */
class LineReader {
  readonly #file: number
  readonly #decoder = new StringDecoder('utf8')
  readonly #chunk = Buffer.alloc(1 << 16)
  #text = ''
  #at = 0
  #ended = false

  constructor(path: string) {
    try {
      this.#file = openSync(path, 'r')
    } catch (thrown) {
      throw new RelishError('config', `cannot read ${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown })
    }
  }

  next(): string | undefined {
    for (;;) {
      const end = this.#text.indexOf('\n', this.#at)
      if (end >= 0) {
        const line = this.#text.slice(this.#at, end)
        this.#at = end + 1
        return line
      }
      this.#text = this.#text.slice(this.#at)
      this.#at = 0
      if (this.#ended || this.#text.length > traceLineCharsMax) return undefined
      const bytes = readSync(this.#file, this.#chunk)
      this.#ended = bytes === 0
      this.#text += this.#decoder.write(this.#chunk.subarray(0, bytes))
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}
