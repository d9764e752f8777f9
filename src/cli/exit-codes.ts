/** What the exit status of `relish` says. Documented in the README; scripts depend on them. */

import type { RelishError } from '../core/base/errors.ts'
import { BootstrapError } from '../testnet/bootstrap.ts'

export const exitCode = Object.freeze({
  ok: 0,
  checkFailed: 1,
  /** Bad usage, a bad network file, or a run that cannot begin because of what the user asked for. */
  usage: 2,
  notBootstrapped: 3,
  internal: 4,
  /** A simulation: something did not hold that must always hold. */
  invariantBroken: 5,
  /** A simulation: faults had ended, and the network did not recover. */
  notConverged: 6,
  /** Every check that failed passed when it was tried again. */
  flaky: 7,
  /** Ended by a signal, or by the reader of the output, before the work was done. */
  interrupted: 130,
})

export function exitCodeOf(error: RelishError): number {
  if (error instanceof BootstrapError) return exitCode.notBootstrapped
  switch (error.kind) {
    case 'config':
    case 'bad-document':
    case 'refused':
    case 'unavailable':
    case 'local-io':
      return exitCode.usage
    case 'timeout':
      return exitCode.notBootstrapped
    case 'protocol':
    case 'bad-signature':
    case 'limit':
    case 'bug':
      return exitCode.internal
  }
}
