/** Files and folders that cannot be made, read or written: nobody's bug, but something the user can set right. */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { systemErrorCode } from '../core/base/system-error.ts'

const ofFiles: ReadonlySet<string> = new Set(['EACCES', 'EDQUOT', 'EEXIST', 'EIO', 'EISDIR', 'EMFILE', 'ENAMETOOLONG', 'ENFILE', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS'])

/** As `asRelishError`, with what the operating system says of files as `local-io`. */
export function asReportedError(thrown: unknown): RelishError {
  if (thrown instanceof Error && !(thrown instanceof RelishError) && 'path' in thrown && ofFiles.has(systemErrorCode(thrown) ?? '')) {
    return new RelishError('local-io', thrown.message, { cause: thrown })
  }
  return asRelishError(thrown)
}
