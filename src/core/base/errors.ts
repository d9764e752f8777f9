/**
 * The one error class of the project.
 *
 * `kind` says what the receiver can do about it; it is a closed union, so that a `switch` over it is checked by the
 * compiler. Nobody compares `message` or `name`. The caller adds what it was attempting with `within`.
 */

/** What can be done about an error. */
export type ErrorKind =
  /** A peer broke the protocol: close the smallest thing that contains the breach. */
  | 'protocol'
  /** A directory document, torrc, network file or key file is malformed. */
  | 'bad-document'
  /** A signature, digest or key does not match. */
  | 'bad-signature'
  /** A deadline passed. */
  | 'timeout'
  /** The other side, or our own policy, said no. */
  | 'refused'
  /** A named limit of ours was reached. */
  | 'limit'
  /** A file, socket or other local resource failed. */
  | 'local-io'
  /** The user's configuration or command line is wrong. */
  | 'config'
  /** Not available: no path, no relay, no such document. */
  | 'unavailable'
  /** Our own mistake. */
  | 'bug'

/** Where in a text an error was found. Lines and columns count from 1. */
export interface TextPosition {
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly keyword?: string
}

/** What an error may have besides its kind and message. */
export interface RelishErrorOptions {
  readonly cause?: unknown
  readonly position?: TextPosition
  /** What a person can do about it. */
  readonly hint?: string
}

/** What is thrown, everywhere: `kind` says what the receiver can do about it, `hint` what a person can. */
export class RelishError extends Error {
  readonly kind: ErrorKind
  readonly position: TextPosition | undefined
  readonly hint: string | undefined

  constructor(kind: ErrorKind, message: string, options: RelishErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RelishError'
    this.kind = kind
    this.position = options.position
    this.hint = options.hint
  }

  /** The same error, with what the caller was attempting in front of its message. */
  within(attempt: string): RelishError {
    const options: { cause: unknown; position?: TextPosition; hint?: string } = { cause: this }
    if (this.position !== undefined) options.position = this.position
    if (this.hint !== undefined) options.hint = this.hint
    return new RelishError(this.kind, `${attempt}: ${this.message}`, options)
  }
}

/** A breach of the protocol by a peer. */
export function protocolError(message: string, cause?: unknown): RelishError {
  return new RelishError('protocol', message, cause === undefined ? {} : { cause })
}

/** Whatever was thrown, as a RelishError: foreign exceptions are bugs of ours until shown otherwise. */
export function asRelishError(thrown: unknown): RelishError {
  if (thrown instanceof RelishError) return thrown
  return new RelishError('bug', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}
