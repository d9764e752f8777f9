/** Where the reports of `relish test` go: `--report KIND` or `--report KIND=FILE`, as many as one likes. */

import { accessSync, appendFileSync, closeSync, constants, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { RelishError } from '../core/base/errors.ts'
import { nearest } from '../core/base/nearest.ts'
import { githubAnnotations, githubSummary } from '../testnet/report/github.ts'
import { packageRoot } from '../testnet/package-root.ts'
import { htmlReport } from '../testnet/report/html.ts'
import { junitXml } from '../testnet/report/junit.ts'
import { withoutFolders } from '../testnet/report/redact.ts'
import type { TestReport } from '../testnet/report/test-report.ts'
import type { Output } from './output.ts'

const kinds = ['json', 'junit', 'html', 'github'] as const

export interface ReportTarget {
  readonly kind: (typeof kinds)[number]
  /** Absent: GitHub's own places. */
  readonly file: string | undefined
}

const usualFiles: Readonly<Record<ReportTarget['kind'], string | undefined>> = { json: 'relish-report.json', junit: 'relish-junit.xml', html: 'relish-report.html', github: undefined }

/** For commander, which calls it for each. */
export function parseReport(text: string, before: readonly ReportTarget[] | undefined): readonly ReportTarget[] {
  const [word = '', ...rest] = text.split('=')
  const kind = kinds.find((one) => one === word)
  if (kind === undefined) throw new InvalidArgumentError(`Reports are ${kinds.join(', ')}${nearest(word, [...kinds]) === undefined ? '' : `; did you mean ${nearest(word, [...kinds])}?`}`)
  if (kind === 'github' && rest.length > 0) throw new InvalidArgumentError('github writes to where GitHub Actions reads, and takes no file.')
  if (rest.length > 0 && rest.join('=') === '') throw new InvalidArgumentError(`${kind}= names no file; ${kind} alone is ${usualFiles[kind] ?? 'enough'}.`)
  return [...(before ?? []), { kind, file: rest.length > 0 ? resolve(rest.join('=')) : usualFiles[kind] === undefined ? undefined : resolve(usualFiles[kind]) }]
}

/** On GitHub its annotations come by themselves. */
export const reportTargets = (asked: readonly ReportTarget[] | undefined, environment: NodeJS.ProcessEnv): readonly ReportTarget[] =>
  asked ?? (environment['GITHUB_ACTIONS'] === 'true' ? [{ kind: 'github', file: undefined }] : [])

export async function writeReports(report: TestReport, targets: readonly ReportTarget[], environment: NodeJS.ProcessEnv, output: Output): Promise<void> {
  // Files are read elsewhere, where the folders of this machine mean nothing.
  const portable = withoutFolders(report, { [packageRoot()]: 'RELISH', [resolve('.')]: '.' })
  for (const { kind, file } of targets) {
    switch (kind) {
      case 'json':
        write(file, `${JSON.stringify(portable, undefined, 2)}\n`)
        break
      case 'junit':
        write(file, await junitXml(portable))
        break
      case 'html':
        write(file, htmlReport(portable))
        break
      case 'github': {
        for (const line of githubAnnotations(report, environment['GITHUB_WORKSPACE'] ?? resolve('.'))) output.note(line)
        const summary = environment['GITHUB_STEP_SUMMARY']
        if (summary !== undefined && summary !== '') toFile(summary, () => appendFileSync(summary, githubSummary(report)))
        break
      }
    }
  }
}

/** Throws `local-io` for a report that has no place to go, and makes its folder: better now than after a long run. Files that are there stay as they are. */
export function refuseUnwritable(targets: readonly ReportTarget[], environment: NodeJS.ProcessEnv): void {
  for (const { kind, file } of targets) {
    const place = kind === 'github' ? environment['GITHUB_STEP_SUMMARY'] : file
    if (place === undefined || place === '') continue
    toFile(place, () => {
      mkdirSync(dirname(place), { recursive: true })
      if (existsSync(place)) closeSync(openSync(place, 'a'))
      else accessSync(dirname(place), constants.W_OK)
    })
  }
}

function write(file: string | undefined, text: string): void {
  if (file === undefined) return
  toFile(file, () => {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  })
}

function toFile(file: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    throw new RelishError('local-io', `the report ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
