/** Which run a command means, and a connection to it. */

import { existsSync, readdirSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import { connectToRun, type RemoteSession } from '../testnet/control-socket.ts'
import { RunDirectory, defaultRunDirectory } from '../testnet/run-directory.ts'

export interface RunChoice {
  readonly network?: string
  readonly dir?: string
}

/** The run directory that is meant. Without a name: the only one there is, or the only one that runs. */
export async function findRunDirectory(choice: RunChoice): Promise<RunDirectory> {
  if (choice.dir !== undefined) return new RunDirectory(choice.dir)
  if (choice.network !== undefined) return new RunDirectory(defaultRunDirectory(/[/\\]|\.ya?ml$/.test(choice.network) ? basename(choice.network, extname(choice.network)) : choice.network))
  const folder = resolve('.relish')
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'run.json'))) : []
  const only = names[0]
  if (only === undefined) throw new RelishError('config', 'there is no run here', { hint: 'start one with `relish up --detach`, or name its directory with --dir' })
  if (names.length === 1) return new RunDirectory(join(folder, only))
  const running: string[] = []
  for (const name of names) {
    const session = await connectToRun(new RunDirectory(join(folder, name)))
    if (session === undefined) continue
    session.close()
    running.push(name)
  }
  const one = running[0]
  if (running.length === 1 && one !== undefined) return new RunDirectory(join(folder, one))
  throw new RelishError('config', `which network? ${(running.length > 0 ? running : names).join(', ')}`, { hint: 'name it with -n' })
}

/** Undefined when nothing runs there. */
export const tryConnect = async (choice: RunChoice): Promise<{ session: RemoteSession | undefined; directory: RunDirectory }> => {
  const directory = await findRunDirectory(choice)
  return { session: await connectToRun(directory), directory }
}

/** Does `work` with the run. Throws `unavailable` when nothing runs. */
export async function withSession<T>(choice: RunChoice, work: (session: RemoteSession, directory: RunDirectory) => Promise<T>): Promise<T> {
  const { session, directory } = await tryConnect(choice)
  if (session === undefined) throw new RelishError('unavailable', `nothing runs in ${directory.path}`, { hint: 'relish start, or relish up --detach' })
  try {
    return await work(session, directory)
  } finally {
    session.close()
  }
}
