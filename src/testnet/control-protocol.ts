/**
 * What goes over a run's control socket: JSON lines. A client sends requests with an `id`; the run answers each with
 * progress, if there is any, and one reply. Types only, and how errors travel.
 */

import { RelishError, type ErrorKind } from '../core/base/errors.ts'
import { BootstrapError, type StuckNode } from './bootstrap.ts'
import { asReportedError } from './file-errors.ts'

export type ControlMethod = 'status' | 'start' | 'wait' | 'stop' | 'kill' | 'restart' | 'hup' | 'vote' | 'add' | 'remove' | 'set' | 'command' | 'verify' | 'join' | 'follow' | 'down'

export interface ControlRequest {
  readonly id: number
  readonly method: ControlMethod
  readonly params: readonly unknown[]
}

export interface WireError {
  readonly kind: ErrorKind
  readonly message: string
  readonly hint?: string
  readonly stuck?: readonly StuckNode[]
}

export type ControlAnswer =
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireError }

export function toWireError(thrown: unknown): WireError {
  const error = asReportedError(thrown)
  return {
    kind: error.kind,
    // The other side has no stack of ours.
    message: error.kind === 'bug' && thrown instanceof Error ? (thrown.stack ?? thrown.message) : error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error instanceof BootstrapError ? { stuck: error.stuck } : {}),
  }
}

export function fromWireError(error: WireError): RelishError {
  if (error.stuck !== undefined) return new BootstrapError(error.message, error.stuck)
  return new RelishError(error.kind, error.message, error.hint === undefined ? {} : { hint: error.hint })
}
