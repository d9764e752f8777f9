/**
 * RunAsDaemon: the program starts itself again without a terminal, and the first process ends once the second one has
 * read its configuration, as `tor` does. Node.js cannot fork.
 */

import { closeSync, openSync, writeSync } from 'node:fs'
import { argv, execArgv, execPath, env, pid } from 'node:process'

/** Descriptor on which the daemon says that it is on its way. Chosen above those a parent passes. */
const readyVariable = 'RELISH_TOR_DAEMON_FD'

/** Whether this process is the second one. */
export const isDaemonChild = (): boolean => env[readyVariable] !== undefined

/** Starts the daemon. Answers with the exit code for the first process: 0 once the daemon is on its way. */
export async function startDaemon(inheritedFds: readonly number[], standardInput: string | undefined): Promise<number> {
  // Nobody else needs it, and it is large.
  const { spawn } = await import('node:child_process')
  const readyFd = Math.max(2, ...inheritedFds) + 1
  const stdio: ('ignore' | 'pipe' | 'inherit' | number)[] = []
  for (let fd = 0; fd < readyFd; fd++) stdio.push(inheritedFds.includes(fd) ? fd : 'ignore')
  // Until it is on its way, its complaints belong on the terminal.
  stdio[1] = 'inherit'
  stdio[2] = 'inherit'
  if (standardInput !== undefined) stdio[0] = 'pipe'
  stdio.push('pipe')
  return new Promise((resolve) => {
    const child = spawn(execPath, [...execArgv, ...argv.slice(1)], { detached: true, stdio, env: { ...env, [readyVariable]: String(readyFd) } })
    child.once('error', () => resolve(1))
    child.once('exit', (code) => resolve(code ?? 1))
    if (standardInput !== undefined) child.stdin?.end(standardInput)
    child.stdio[readyFd]?.once('data', () => {
      child.unref()
      resolve(0)
    })
  })
}

/** In the daemon: lets the first process end, and lets go of its terminal or pipe, whose reader waits for the end. */
export function reportDaemonReady(): void {
  const fd = Number(env[readyVariable])
  if (!Number.isInteger(fd)) return
  try {
    writeSync(fd, `${pid}\n`)
    closeSync(fd)
    for (const output of [1, 2]) {
      closeSync(output)
      // The lowest free descriptor is taken, which is the one just closed.
      openSync('/dev/null', 'w')
    }
  } catch {
    // The first process is gone already.
  }
}
