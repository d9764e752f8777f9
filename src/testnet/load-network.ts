/** From what the user typed (a path or a built-in name) to a resolved network, or to complaints about it. */

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { basename, extname, join, relative, resolve } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import { suggestion } from '../core/base/nearest.ts'
import { readTextBounded } from '../host/read-bounded.ts'
import { builtInCheckNames, defaultCheckNames } from './checks/names.ts'
import { NetworkFileError, type Diagnostic } from './diagnostic.ts'
import { lintNetwork } from './lint-network.ts'
import { networkFileBytesMax } from './limits.ts'
import type { NetworkFile, ResolvedNetwork } from './network-types.ts'
import { overrideNetworkText } from './override-network.ts'
import { packageRoot } from './package-root.ts'
import { parseNetworkFile } from './parse-network.ts'
import { resolveNetwork } from './resolve-network.ts'

export interface LoadedNetwork {
  readonly network: ResolvedNetwork
  readonly file: NetworkFile
  /** The text as written, with what was set beside it. */
  readonly text: string
  readonly warnings: readonly Diagnostic[]
}

export interface BuiltInNetwork {
  readonly name: string
  readonly path: string
  /** The first lines of the file: what it is for. */
  readonly about: string
}

/** Networks that ship with the package, by name. */
export function builtInNetworks(): BuiltInNetwork[] {
  const folder = join(packageRoot(), 'networks')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((file) => {
      const path = join(folder, file)
      return { name: basename(file, '.yaml'), path, about: aboutOf(readFileSync(path, 'utf8')) }
    })
}

/** The comment at the top of a network file, without the editor's line and the name. */
function aboutOf(text: string): string {
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (!line.startsWith('#')) break
    if (!line.includes('yaml-language-server')) lines.push(line.replace(/^#\s?/, ''))
  }
  return lines.join(' ').replace(/^[\w-]+:\s*/, '')
}

/** The file that `nameOrPath` means. Throws `config` with suggestions if there is none. */
export function findNetworkFile(nameOrPath: string): string {
  const path = resolve(nameOrPath)
  if (existsSync(path) && statSync(path).isFile()) return path
  const builtIn = builtInNetworks()
  const found = builtIn.find((network) => network.name === nameOrPath)
  if (found !== undefined) return found.path
  if (/[/\\]|\.ya?ml$/.test(nameOrPath)) throw new RelishError('config', `there is no network file ${nameOrPath}`)
  const names = builtIn.map((network) => network.name)
  throw new RelishError('config', `there is no built-in network "${nameOrPath}"`, {
    hint: [...suggestion(nameOrPath, names), `built in: ${names.join(', ')}; a file of your own is a path, as in ./my.yaml`].join(' '),
  })
}

/** `settings` are those of `--set`, see `override-network.ts`. Throws `NetworkFileError` when anything is wrong with the file. */
export function loadNetwork(nameOrPath: string, environment: { readonly [name: string]: string | undefined }, settings: readonly string[] = []): LoadedNetwork {
  const path = findNetworkFile(nameOrPath)
  let text: string
  try {
    text = readTextBounded(path, networkFileBytesMax)
  } catch (error) {
    throw new RelishError('config', `cannot read ${nameOrPath}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  return loadNetworkText(text, path, environment, settings)
}

export function loadNetworkText(original: string, path: string, environment: { readonly [name: string]: string | undefined }, settings: readonly string[] = []): LoadedNetwork {
  const text = original.length <= networkFileBytesMax ? overrideNetworkText(original, settings) : original
  const shown = settings.length === 0 ? pathFromHere(path) : `${pathFromHere(path)} with --set`
  const { file, source, diagnostics } = parseNetworkFile(text, shown, environment)
  if (file === undefined) throw new NetworkFileError(diagnostics)
  const resolution = resolveNetwork(file, path, basename(path, extname(path)), source, { builtIn: builtInCheckNames, usual: defaultCheckNames })
  if (resolution.diagnostics.length > 0) throw new NetworkFileError(resolution.diagnostics)
  const lint = lintNetwork(file, resolution.network, source)
  if (lint.some((diagnostic) => diagnostic.severity === 'error')) throw new NetworkFileError(lint)
  return { network: resolution.network, file, text, warnings: lint }
}

/** As short as a path can be, for people to read. */
export function pathFromHere(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere === '' || fromHere.startsWith('..') ? path : fromHere
}
