/** Bundles the program with a violation in it, runs it, and gives what came of the checks. */

import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import { basic, type Violation } from './violations.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Outcome {
  readonly name: string
  readonly kind: string
  readonly reason: string
}

/** `checks`: only these. */
export async function runViolated(name: string, { changes, network, seed }: Pick<Violation, 'changes' | 'network' | 'seed'>, checks?: readonly string[]): Promise<readonly Outcome[]> {
  const folder = join(root, 'node_modules', '.cache', 'relish-violations')
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${name.replace(/\W+/g, '-')}.mjs`)
  await build({
    entryPoints: [join(root, 'test/violations/program.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [patch(changes)],
  })
  try {
    const order = { network: network ?? basic, seed: seed ?? '1', ...(checks === undefined ? {} : { checks }) }
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, JSON.stringify(order)], { maxBuffer: 1 << 26, env: { PATH: process.env['PATH'] ?? '' } })
    return JSON.parse(stdout) as readonly Outcome[]
  } finally {
    rmSync(outfile, { force: true })
  }
}

function patch(changes: Violation['changes']): Plugin {
  return {
    name: 'violation',
    setup(builder) {
      const left = new Set(changes)
      builder.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        const own = changes.filter((change) => join(root, change.file) === path)
        if (own.length === 0) return undefined
        let contents = readFileSync(path, 'utf8')
        for (const change of own) {
          if (contents.split(change.from).length !== 2) throw new Error(`${change.file} does not have this once: ${change.from}`)
          contents = contents.replace(change.from, () => change.to)
          left.delete(change)
        }
        return { contents, loader: 'ts' }
      })
      builder.onEnd(() => {
        for (const change of left) throw new Error(`${change.file} was not bundled`)
      })
    },
  }
}
