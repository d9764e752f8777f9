/** Checks by name, and checks of the user's own: ES modules named in the network file or on the command line. */

import { existsSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RelishError } from '../../core/base/errors.ts'
import { suggestion } from '../../core/base/nearest.ts'
import { authorityMajority, authorityMinority } from './authority-loss.ts'
import { bandwidthWeights } from './bandwidth-weights.ts'
import { bulk } from './bulk.ts'
import type { Check, CheckContext } from './check.ts'
import { concurrent } from './concurrent.ts'
import { consensus } from './consensus.ts'
import { echo } from './echo.ts'
import { exitSeen } from './exit-seen.ts'
import { families } from './families.ts'
import { guardsRestart } from './guards-restart.ts'
import { hupKeepsStreams } from './hup-keeps-streams.ts'
import { identityRestart } from './identity-restart.ts'
import { majorityRule } from './majority-rule.ts'
import { builtInCheckNames } from './names.ts'
import { noRelayKnowsBoth } from './no-relay-knows-both.ts'
import { path } from './path.ts'
import { policies } from './policies.ts'
import { policy } from './policy.ts'
import { promises } from './promises.ts'
import { relayKilled } from './relay-killed.ts'
import { resolve } from './resolve.ts'
import { socksMatrix } from './socks-matrix.ts'
import { tlsOnly } from './tls-only.ts'

export const builtInChecks: readonly Check[] = Object.freeze([
  echo, exitSeen, path, consensus, noRelayKnowsBoth, policy, resolve, socksMatrix, concurrent, bulk, tlsOnly,
  promises, families, policies, bandwidthWeights, majorityRule, hupKeepsStreams,
  guardsRestart, identityRestart, relayKilled, authorityMajority, authorityMinority,
])

/** `names` are built-in names and absolute paths of modules. Throws `config` for what is neither. */
export function loadChecks(names: readonly string[]): Promise<Check[]> {
  return Promise.all(names.map((name) => loadCheck(name)))
}

async function loadCheck(name: string): Promise<Check> {
  const builtIn = builtInChecks.find((check) => check.name === name)
  if (builtIn !== undefined) return builtIn
  if (!/[/\\]/.test(name)) {
    throw new RelishError('config', `there is no check "${name}"`, { hint: [...suggestion(name, builtInCheckNames), `built in: ${builtInCheckNames.join(', ')}`].join(' ') })
  }
  if (!existsSync(name)) throw new RelishError('config', `there is no check module ${name}`)
  let module: { default?: unknown; name?: unknown; summary?: unknown }
  try {
    module = (await import(pathToFileURL(name).href)) as typeof module
  } catch (error) {
    throw new RelishError('config', `the check module ${name} does not load: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  // Loaded before the check runs: in a simulation, real time must not pass meanwhile.
  const { $ } = await import('zx')
  return fromModule(name, module, $)
}

/** A module gives a function as its default export, and may export `name`, `summary` and `tags`. */
function fromModule(path: string, module: { default?: unknown; name?: unknown; summary?: unknown; tags?: unknown }, $: unknown): Check {
  if (typeof module.default !== 'function') {
    throw new RelishError('config', `the check module ${path} has no function as its default export`, { hint: 'export default async ({ network, clients, sink, $, expect, log }) => { … }' })
  }
  const run = module.default as (context: CheckContext & { readonly $: unknown }) => unknown
  return {
    name: typeof module.name === 'string' ? module.name : basename(path, extname(path)),
    summary: typeof module.summary === 'string' ? module.summary : `the check of ${basename(path)}`,
    tags: ['own', ...(Array.isArray(module.tags) ? module.tags.map(String) : [])],
    source: path,
    async run(context) {
      const lines: string[] = []
      const log = (line: string): void => {
        lines.push(line)
        context.log(line)
      }
      const result = await run({ ...context, log, $ })
      // What it returns is its evidence; one that only logs has its lines taken for it.
      return Array.isArray(result) ? result.map(String) : lines
    },
  }
}
