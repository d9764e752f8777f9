/** Builds of the core with changes in them, as a checkout of somebody who tries something would give. */

import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** In the source file whose path ends with `file`, `from` becomes `to`. */
export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** A folder that stands for a checkout that was built: its nodes run in simulation. Throws when a change finds nothing to change. */
export async function otherBuild(changes: readonly Change[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'relish-other-build-'))
  const missed = new Set(changes)
  mkdirSync(join(folder, 'dist'))
  await build({
    entryPoints: { core: join(root, 'src/seam/core-seam.ts') },
    outdir: join(folder, 'dist'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    plugins: [
      {
        name: 'changes',
        setup: (setup) => {
          setup.onLoad({ filter: /\.ts$/ }, ({ path }) => {
            let contents = readFileSync(path, 'utf8')
            for (const change of changes) {
              if (!path.endsWith(change.file) || !contents.includes(change.from)) continue
              contents = contents.replace(change.from, change.to)
              missed.delete(change)
            }
            return { contents, loader: 'ts' }
          })
        },
      },
    ],
  })
  for (const { file, from } of missed) throw new Error(`${file} has no ${from}`)
  // What makes it a build: not run in simulation.
  writeFileSync(join(folder, 'dist/relish-tor.js'), '')
  writeFileSync(join(folder, 'dist/package.json'), '{ "type": "commonjs" }')
  writeFileSync(join(folder, 'package.json'), '{ "name": "tor-relish" }')
  return folder
}
