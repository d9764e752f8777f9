/** Files and folders that cannot be made, read or written: nobody's bug, but something the user can set right. */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { systemErrorCode } from '../core/base/system-error.ts'

const ofFiles: ReadonlySet<string> = new Set(['EACCES', 'EEXIST', 'EISDIR', 'ENAMETOOLONG', 'ENOTDIR', 'EPERM', 'EROFS'])

/** The operating system says these without the name of a file, too: of one that is open already, or of a process that cannot be made. */
const ofTheMachine: ReadonlySet<string> = new Set(['EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOSPC'])

/** As `asRelishError`, with what the operating system says of files as `local-io`. */
export function asReportedError(thrown: unknown): RelishError {
  if (!(thrown instanceof Error) || thrown instanceof RelishError) return asRelishError(thrown)
  const code = systemErrorCode(thrown) ?? ''
  if (!ofTheMachine.has(code) && !('path' in thrown && ofFiles.has(code))) return asRelishError(thrown)
  const hint = hintAt(code)
  return new RelishError('local-io', thrown.message, { cause: thrown, ...(hint === undefined ? {} : { hint }) })
}

function hintAt(code: string): string | undefined {
  if (code === 'EMFILE') return 'a process may have more files open after `ulimit -n 1024`'
  const umask = process.umask()
  // Nobody can use the folders that they make then, but root.
  if (code === 'EACCES' && (umask & 0o700) !== 0) return `the umask ${umask.toString(8).padStart(3, '0')} takes from you what you make; \`umask 077\` keeps it to yourself`
  return undefined
}
