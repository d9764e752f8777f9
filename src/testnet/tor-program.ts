/** The C tor program on this machine: whether it is there, which version it is, and whether it takes a torrc. */

import { execFile } from 'node:child_process'
import { RelishError } from '../core/base/errors.ts'
import { programTimeoutMs } from './limits.ts'
import { shellWord } from './shell-word.ts'

/** The program that runs a node unless the network file names one. */
export const usualTorProgram = 'tor'

/** Older ones know neither family certificates nor all options of our templates. */
const oldestVersion: readonly number[] = [0, 4, 9]

const installHint = 'install C tor 0.4.9 or later: apt-get install tor (deb.torproject.org has the newest), or name the program with `tor: PATH` in the network file'

/** The program's version, such as `0.4.9.11`. Throws `unavailable` when there is no such program, or it is too old. */
export async function torVersion(program: string, wantedBy: string): Promise<string> {
  const { output, failure } = await runProgram(program, ['--version'])
  if (failure?.code === 'ENOENT' || failure?.code === 'EACCES') {
    throw new RelishError('unavailable', `${wantedBy} is to be run by C tor, but there is no program ${program}`, { hint: installHint })
  }
  const version = /^Tor version (\d+\.\d+\.\d+(?:\.\d+)?\S*?)\.?(?:\s|$)/m.exec(output)?.[1]
  if (failure !== undefined || version === undefined) {
    throw new RelishError('unavailable', `${program}, which is to run ${wantedBy}, is no C tor: \`${program} --version\` says ${JSON.stringify(output.slice(0, 200))}`, { hint: installHint })
  }
  if (isOlder(version.split('.').map((part) => Number.parseInt(part, 10)), oldestVersion)) {
    throw new RelishError('unavailable', `${program}, which is to run ${wantedBy}, is C tor ${version}; networks of relish need ${oldestVersion.join('.')} or later`, { hint: installHint })
  }
  return version
}

/** Throws `config` with C tor's own words if it does not take the torrc. */
export async function verifyTorrc(program: string, torrc: string, node: string): Promise<void> {
  const { output, failure } = await runProgram(program, ['--verify-config', '-f', torrc])
  if (failure === undefined) return
  const words = output.split('\n').filter((line) => /\[(warn|err)\]/.test(line)).map((line) => line.replace(/^.*?\[(?:warn|err)\] /, ''))
  // Warnings that every private network gets come first; the reason is among the last.
  const reason = words.filter((line) => !/^(?:TestingTorNetwork is set|You have used DirAuthority)/.test(line)).slice(-3)
  throw new RelishError('config', `C tor refuses the torrc of ${node}: ${reason.join(' ') || output.slice(-400)}`, {
    hint: `see it with: ${shellWord(program)} --verify-config -f ${shellWord(torrc)}; raw options come from \`torrc:\` in the network file`,
  })
}

interface ProgramResult {
  readonly output: string
  readonly failure: { readonly code?: unknown } | undefined
}

function runProgram(program: string, args: readonly string[]): Promise<ProgramResult> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: programTimeoutMs, encoding: 'utf8' }, (error, stdout, stderr) => {
      resolve({ output: `${stdout}${stderr}`, failure: error === null ? undefined : { code: error.code } })
    })
  })
}

function isOlder(version: readonly number[], than: readonly number[]): boolean {
  for (const [index, wanted] of than.entries()) {
    const have = version[index] ?? 0
    if (have !== wanted) return have < wanted
  }
  return false
}
