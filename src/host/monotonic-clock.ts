/** The monotonic clock. Not `performance.now()`, for which Node.js loads its performance hooks first: a millisecond of a node's start. */

import { hrtime } from 'node:process'
import { monotonicMs, type MonotonicMs } from '../core/base/time.ts'

export function monotonicNow(): MonotonicMs {
  const [seconds, nanoseconds] = hrtime()
  return monotonicMs(seconds * 1e3 + nanoseconds / 1e6)
}
