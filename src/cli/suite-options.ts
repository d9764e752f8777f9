/** What `test` and `verify` share: which checks run, where reports go, and the exit status that follows. */

import { InvalidArgumentError, type Command } from 'commander'
import { resolve } from 'node:path'
import type { Verdict } from '../testnet/report/test-report.ts'
import { shellWord } from '../testnet/shell-word.ts'
import type { SuiteRequest } from '../testnet/suite/suite.ts'
import { exitCode } from './exit-codes.ts'
import { parseReport, type ReportTarget } from './test-reports.ts'

export interface SuiteOptions {
  readonly suite?: string
  readonly only?: readonly string[]
  readonly skip?: readonly string[]
  readonly shard?: string
  readonly retries?: number
  readonly allowFlaky?: boolean
  readonly report?: readonly ReportTarget[]
}

export const withSuite = (command: Command): Command =>
  command
    .option('--suite <suite>', 'default (the checks of the network file), smoke, full, or the path of a suite file')
    .option('--only <checks...>', 'run these checks only: names, tags, or paths of modules')
    .option('--skip <checks...>', 'leave these out: names or tags')
    .option('--shard <i/n>', 'run the i-th of n parts of the checks, as for n machines')
    .option('--retries <n>', 'try a check that failed up to n times again; what passes then is flaky, not passed', parseRetries)
    .option('--allow-flaky', 'exit with 0 when the worst that happened was a flaky check')
    .option('--report <kind[=file]>', 'json, junit, html or github, again for more; github by itself on GitHub Actions', parseReport)

function parseRetries(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 0 || count > retriesMax) throw new InvalidArgumentError(`A number from 0 to ${retriesMax}.`)
  return count
}
const retriesMax = 10

/** Checks named by path are looked up from here, wherever the run was started. */
export const checkNames = (names: readonly string[]): string[] => names.map((name) => (name.includes('/') || /\.[cm]?js$/.test(name) ? resolve(name) : name))

/** Throws `config`, and `NetworkFileError` for what is wrong in a suite file. */
export async function suiteRequest({ suite, only, skip, shard, retries }: SuiteOptions): Promise<SuiteRequest> {
  const [{ loadSuite }, { parseShard }] = await Promise.all([import('../testnet/suite/load-suite.ts'), import('../testnet/suite/select-checks.ts')])
  const settings = loadSuite(suite ?? 'default', process.env)
  // Without a suite, all checks there are can be named.
  const wide = suite === undefined && only !== undefined ? { ...settings, checks: ['all', 'network'] } : settings
  return {
    settings: retries === undefined ? wide : { ...wide, retries },
    selection: {
      ...(only === undefined ? {} : { only: checkNames(only) }),
      ...(skip === undefined ? {} : { skip }),
      ...(shard === undefined ? {} : { shard: parseShard(shard) }),
    },
  }
}

/** The same as words of a command line. */
export function suiteWords({ suite, only, skip, shard, retries }: SuiteOptions): string[] {
  const words = (option: string, values: readonly string[] | undefined): string[] => (values === undefined || values.length === 0 ? [] : [option, ...values])
  const word = (option: string, value: string | number | undefined): string[] => (value === undefined ? [] : [option, String(value)])
  return [...word('--suite', suite), ...words('--only', only), ...words('--skip', skip), ...word('--shard', shard), ...word('--retries', retries)]
}

/** As one types it into a shell. */
export const commandLine = (words: readonly string[]): string => words.map(shellWord).join(' ')

export function exitCodeFor(verdict: Verdict, allowFlaky: boolean): number {
  switch (verdict) {
    case 'passed':
      return exitCode.ok
    case 'flaky':
      return allowFlaky ? exitCode.ok : exitCode.flaky
    case 'failed':
      return exitCode.checkFailed
    case 'not-ready':
      return exitCode.notBootstrapped
    case 'interrupted':
      return exitCode.interrupted
  }
}
