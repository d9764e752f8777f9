/** Where seeds are run: in this process, or in others of the same program, which talk in lines of JSON. */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { RelishError } from '../../core/base/errors.ts'
import type { LoadedNetwork } from '../load-network.ts'
import { drawFaults } from './draw-faults.ts'
import type { RanSeed, SeedRunner, SeedTask } from './explore.ts'
import { runSeed } from './run-seed.ts'

/** Loads the network with further settings; without any, it is the one of the command line. */
export type LoadWith = (settings: readonly string[]) => LoadedNetwork

export function localRunner(load: LoadWith): SeedRunner {
  return {
    run: async ({ seed, faults, settings }) => {
      const { network } = load(settings)
      const happening = faults ?? drawFaults(network, seed)
      return { ...(await runSeed(network, seed, happening)), faults: happening }
    },
    close: () => undefined,
  }
}

/** `command` runs `serveSeeds` with the same network. */
export function childRunner(command: readonly [string, ...string[]]): SeedRunner {
  const [program, ...args] = command
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: { resolve: (ran: RanSeed) => void; reject: (error: RelishError) => void }[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as { readonly ran: RanSeed } | { readonly error: string }
    const asker = waiting.shift()
    if ('ran' in answer) asker?.resolve(answer.ran)
    else asker?.reject(new RelishError('config', answer.error))
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.splice(0)) reject(new RelishError('bug', `a process that runs seeds has ended: ${signal ?? `status ${code}`}`))
  })
  child.stdin.on('error', () => undefined)
  return {
    run: (task) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        child.stdin.write(`${JSON.stringify(task)}\n`)
      }),
    close: () => child.stdin.end(),
  }
}

/** The other side of `childRunner`: one task a line, one answer a line, until the input ends. */
export async function serveSeeds(load: LoadWith, input: NodeJS.ReadableStream, answer: (line: string) => void): Promise<void> {
  const runner = localRunner(load)
  for await (const line of createInterface({ input })) {
    try {
      answer(JSON.stringify({ ran: await runner.run(JSON.parse(line) as SeedTask) }))
    } catch (error) {
      answer(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
    }
  }
}
