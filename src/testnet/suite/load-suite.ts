/** Suites by name, or from a YAML file of the user's: schema, then what the words in it mean. */

import { existsSync, statSync } from 'node:fs'
import { basename, dirname, extname, resolve } from 'node:path'
import schema from '../../../networks/suite.schema.json' with { type: 'json' }
import { RelishError } from '../../core/base/errors.ts'
import { suggestion } from '../../core/base/nearest.ts'
import { readTextBounded } from '../../host/read-bounded.ts'
import { NetworkFileError, type Diagnostic } from '../diagnostic.ts'
import { networkFileBytesMax } from '../limits.ts'
import { parseSchemaFile, type SourceMap } from '../parse-network.ts'
import { isModulePath, selectorComplaint } from './select-checks.ts'
import { builtInSuites, usualSettings, type SuiteSettings } from './suite.ts'

/** What the schema accepts. */
interface SuiteFile {
  readonly name?: string
  readonly description?: string
  readonly checks: readonly string[]
  readonly skip?: readonly string[]
  readonly retries?: number
  readonly patienceSec?: number
  readonly memoryMb?: number
  readonly expectedWarnings?: readonly string[]
}

/** A built-in name, or the path of a file. Throws `NetworkFileError` for what is wrong in a file, `config` when there is none. */
export function loadSuite(nameOrPath: string, environment: { readonly [name: string]: string | undefined }): SuiteSettings {
  const builtIn = builtInSuites.find((suite) => suite.name === nameOrPath)
  if (builtIn !== undefined) return builtIn
  const path = resolve(nameOrPath)
  if (existsSync(path) && statSync(path).isFile()) return readSuite(readTextBounded(path, networkFileBytesMax), path, environment)
  if (/[/\\]|\.ya?ml$/.test(nameOrPath)) throw new RelishError('config', `there is no suite file ${nameOrPath}`)
  const names = builtInSuites.map((suite) => suite.name)
  throw new RelishError('config', `there is no suite "${nameOrPath}"`, { hint: [...suggestion(nameOrPath, names), `built in: ${names.join(', ')}; a file of your own is a path, as in ./suite.yaml`].join(' ') })
}

/** `path` is the file's own, for relative paths of modules. */
export function readSuite(text: string, path: string, environment: { readonly [name: string]: string | undefined }): SuiteSettings {
  const { file, source, diagnostics } = parseSchemaFile<SuiteFile>(schema, text, path, environment)
  if (file === undefined) throw new NetworkFileError(diagnostics)
  const found: Diagnostic[] = []
  const expectedWarnings = (file.expectedWarnings ?? []).flatMap((pattern, index) => {
    try {
      return [new RegExp(pattern)]
    } catch (error) {
      found.push(source.complain(['expectedWarnings', index], 'value', 'error', `not a regular expression: ${error instanceof Error ? error.message : String(error)}`))
      return []
    }
  })
  const checks = file.checks.map((word, index) => resolveWord(word, path, ['checks', index], source, found))
  const skip = (file.skip ?? []).map((word, index) => resolveWord(word, path, ['skip', index], source, found))
  if (found.length > 0) throw new NetworkFileError(found)
  return {
    name: file.name ?? basename(path, extname(path)),
    description: file.description ?? '',
    checks,
    skip,
    retries: file.retries ?? usualSettings.retries,
    patienceMs: file.patienceSec === undefined ? usualSettings.patienceMs : file.patienceSec * 1000,
    memoryMb: file.memoryMb ?? usualSettings.memoryMb,
    expectedWarnings,
  }
}

function resolveWord(word: string, file: string, place: readonly (string | number)[], source: SourceMap, found: Diagnostic[]): string {
  if (isModulePath(word)) {
    const path = resolve(dirname(file), word)
    if (!existsSync(path)) found.push(source.complain(place, 'value', 'error', `there is no check module ${word}`))
    return path
  }
  const complaint = selectorComplaint(word)
  if (complaint !== undefined) found.push(source.complain(place, 'value', 'error', complaint.message, complaint.notes))
  return word
}
