/** Errors of the library, beside those of the layers below: each a RelishError, told apart by class and `kind`. */

import { RelishError } from '../core/base/errors.ts'
import { BootstrapError, formatBootstrapError, type StuckNode } from '../testnet/bootstrap.ts'
import type { CheckResult } from '../testnet/checks/check.ts'

/** A network did not come up, or a node did not come back: the message says which node stands where, and why. `kind`: `timeout`. */
export class LaunchError extends RelishError {
  /** Nodes that are not ready. */
  readonly stuck: readonly StuckNode[]

  constructor(cause: BootstrapError) {
    super('timeout', formatBootstrapError(cause, false), { cause, hint: 'with `dir` the files of the nodes stay, and `onLog` gets what they log' })
    this.name = 'LaunchError'
    this.stuck = cause.stuck
  }
}

/** A condition did not come true in time. `kind`: `timeout`. */
export class WaitTimeoutError extends RelishError {
  /** What did not hold, in words. */
  readonly missing: string

  constructor(timeoutMs: number, missing: string) {
    super('timeout', `after ${timeoutMs / 1000} s still missing: ${missing}`)
    this.name = 'WaitTimeoutError'
    this.missing = missing
  }
}

/** Checks found something else than they should. `kind`: `refused`. */
export class VerificationError extends RelishError {
  /** All results, those that passed as well. */
  readonly results: readonly CheckResult[]

  constructor(results: readonly CheckResult[]) {
    const failed = results.flatMap(({ name, outcome }) => (outcome.kind === 'failed' ? [`  ${name}: ${outcome.reason}`] : []))
    super('refused', `${failed.length} of ${results.length} checks failed\n${failed.join('\n')}`)
    this.name = 'VerificationError'
    this.results = results
  }
}

/** What a start threw, as those who use the library see it. */
export const asLaunchError = (thrown: unknown): unknown => (thrown instanceof BootstrapError ? new LaunchError(thrown) : thrown)
