/**
 * Reads a torrc with everything it includes. Files come through an injected reader, so that the core opens none.
 * `%include` takes a file, a folder (its files in order of name, without those that begin with a dot) or a glob pattern.
 * Relative paths are those of the process, as in C tor. tor(1), "THE CONFIGURATION FILE FORMAT".
 */

import { RelishError, type TextPosition } from '../base/errors.ts'
import { configError, parseConfigText, type ConfigLine } from './config-line.ts'
import { expandGlob, hasGlob } from './glob.ts'
import { configFileBytesMax, configLinesMax, includeDepthMax, includeFilesMax } from './limits.ts'

/** How files are read; the caller has the disk. */
export interface ConfigFileReader {
  /** The text of a file; undefined if there is none. */
  read(path: string): string | undefined
  /** Names in a folder, in any order; undefined if `path` is no folder. */
  list(path: string): readonly string[] | undefined
}

/** For a configuration that stands for itself: there is nothing to include. */
export const noIncludes: ConfigFileReader = Object.freeze({ read: () => undefined, list: () => undefined })

/** All lines of `path` and of what it includes, in order. Throws `config`. */
export function readConfigFile(path: string, files: ConfigFileReader): ConfigLine[] {
  const lines: ConfigLine[] = []
  append(path, files, { lines, depth: 0, from: undefined })
  return lines
}

/** The lines of a configuration held as text, as for `-f -`, with what it includes. */
export function readConfigText(text: string, name: string, files: ConfigFileReader): ConfigLine[] {
  const lines: ConfigLine[] = []
  appendLines(text, name, files, { lines, depth: 0, from: undefined })
  return lines
}

interface Progress {
  readonly lines: ConfigLine[]
  readonly depth: number
  /** The line that included this file. */
  readonly from: TextPosition | undefined
}

function append(path: string, files: ConfigFileReader, progress: Progress): void {
  const text = files.read(path)
  if (text === undefined) throw configError(`cannot read configuration file ${path}`, progress.from ?? {})
  if (text.length > configFileBytesMax) throw new RelishError('limit', `${path} is larger than ${configFileBytesMax} bytes`)
  appendLines(text, path, files, progress)
}

function appendLines(text: string, name: string, files: ConfigFileReader, progress: Progress): void {
  for (const line of parseConfigText(text, name)) {
    if (line.keyword === '%include') include(line, files, progress)
    else progress.lines.push(line)
    if (progress.lines.length > configLinesMax) throw new RelishError('limit', `a configuration has at most ${configLinesMax} lines`, { position: line.position })
  }
}

function include(line: ConfigLine, files: ConfigFileReader, progress: Progress): void {
  if (progress.depth >= includeDepthMax) throw configError(`more than ${includeDepthMax} files include each other`, line.position)
  if (line.value === '') throw configError('%include needs a path', line.position)
  const inside = { lines: progress.lines, depth: progress.depth + 1, from: line.position }
  const paths = hasGlob(line.value) ? expandGlob(line.value, (folder) => files.list(folder)) : [line.value]
  if (paths.length > includeFilesMax) throw configError(`"${line.value}" names more than ${includeFilesMax} files`, line.position)
  for (const path of paths) {
    const names = files.list(path)
    if (names === undefined) {
      append(path, files, inside)
      continue
    }
    for (const name of [...names].sort()) {
      const file = `${path.replace(/\/$/, '')}/${name}`
      if (!name.startsWith('.') && files.list(file) === undefined) append(file, files, inside)
    }
  }
}
