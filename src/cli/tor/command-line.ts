/** The command line of `relish-tor`, which is that of `tor`: commands of its own, and any torrc option with one or two dashes. */

import { RelishError } from '../../core/base/errors.ts'
import type { ConfigLine } from '../../core/torrc/config-line.ts'

export type TorCommand =
  | 'run'
  | 'dump-config'
  | 'hash-password'
  | 'help'
  | 'keygen'
  | 'library-versions'
  | 'list-deprecated-options'
  | 'list-fingerprint'
  | 'list-modules'
  | 'list-torrc-options'
  | 'verify-config'
  | 'version'

export type Quietness = 'normal' | 'hush' | 'silent'

export interface TorCommandLine {
  readonly command: TorCommand
  /** Argument of the command; empty if it has none. */
  readonly argument: string
  readonly quietness: Quietness
  /** `-` is standard input. */
  readonly torrcFile: string | undefined
  readonly defaultsFile: string | undefined
  readonly ignoreMissingTorrc: boolean
  readonly lines: readonly ConfigLine[]
}

interface Flag {
  readonly takes: 'nothing' | 'value' | 'optional value'
  readonly command?: TorCommand
  readonly quietness?: Quietness
}

const flags: Readonly<Record<string, Flag>> = {
  '-f': { takes: 'value' },
  '--torrc-file': { takes: 'value' },
  '--defaults-torrc': { takes: 'value' },
  '--ignore-missing-torrc': { takes: 'nothing' },
  '--allow-missing-torrc': { takes: 'nothing' },
  '--quiet': { takes: 'nothing', quietness: 'silent' },
  '--hush': { takes: 'nothing', quietness: 'hush' },
  '--hash-password': { takes: 'value', command: 'hash-password', quietness: 'hush' },
  '--dump-config': { takes: 'optional value', command: 'dump-config', quietness: 'silent' },
  '--list-fingerprint': { takes: 'optional value', command: 'list-fingerprint' },
  '--keygen': { takes: 'nothing', command: 'keygen' },
  '--verify-config': { takes: 'nothing', command: 'verify-config' },
  '--version': { takes: 'nothing', command: 'version', quietness: 'hush' },
  '--list-modules': { takes: 'nothing', command: 'list-modules', quietness: 'hush' },
  '--library-versions': { takes: 'nothing', command: 'library-versions', quietness: 'hush' },
  '--list-torrc-options': { takes: 'nothing', command: 'list-torrc-options', quietness: 'hush' },
  '--list-deprecated-options': { takes: 'nothing', command: 'list-deprecated-options' },
  '-h': { takes: 'nothing', command: 'help', quietness: 'hush' },
  '--help': { takes: 'nothing', command: 'help', quietness: 'hush' },
}

const quietnessOrder: readonly Quietness[] = ['normal', 'hush', 'silent']

/** Throws `config`. */
export function parseCommandLine(args: readonly string[]): TorCommandLine {
  let command: TorCommand = 'run'
  let argument = ''
  let quietness: Quietness = 'normal'
  let torrcFile: string | undefined
  let defaultsFile: string | undefined
  let ignoreMissingTorrc = false
  const lines: ConfigLine[] = []
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? ''
    const flag = Object.hasOwn(flags, word) ? flags[word] : undefined
    const next = args[at + 1]
    if (flag === undefined) {
      const line = optionLine(word, next)
      lines.push(line)
      if (line.command !== 'clear') at++
      continue
    }
    let value = ''
    if (flag.takes === 'value' || (flag.takes === 'optional value' && next !== undefined && !next.startsWith('-'))) {
      if (next === undefined) throw new RelishError('config', `${word} needs a value`)
      value = next
      at++
    }
    if (flag.command !== undefined) {
      command = flag.command
      argument = value
    }
    if (flag.quietness !== undefined && quietnessOrder.indexOf(flag.quietness) > quietnessOrder.indexOf(quietness)) quietness = flag.quietness
    if (word === '-f' || word === '--torrc-file') torrcFile = value
    else if (word === '--defaults-torrc') defaultsFile = value
    else if (word === '--ignore-missing-torrc' || word === '--allow-missing-torrc') ignoreMissingTorrc = true
  }
  return { command, argument, quietness, torrcFile, defaultsFile, ignoreMissingTorrc, lines }
}

/** `--Option value`, `-Option value`, `Option value`, with `+` to append and `/` to clear. */
function optionLine(word: string, value: string | undefined): ConfigLine {
  const match = /^-{0,2}([+/]?)(\S+)$/.exec(word)
  if (match === null) throw new RelishError('config', `cannot read "${word}" on the command line`)
  const keyword = match[2] ?? ''
  // As in C tor: a password on the command line is for this run only, and `-l` is short for Log.
  const resolved = /^HashedControlPassword$/i.test(keyword) ? '__HashedControlSessionPassword' : keyword === 'l' ? 'Log' : keyword
  const position = { file: 'command line' }
  if (match[1] === '/') return { keyword: resolved, value: '', command: 'clear', position }
  if (value === undefined) throw new RelishError('config', `option ${word} on the command line needs a value`)
  return { keyword: resolved, value, command: match[1] === '+' ? 'append' : 'replace', position }
}
