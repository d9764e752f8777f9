/** Where the command line prints. Facts go to standard output, as text or as JSON; everything else to standard error. */

import pc from 'picocolors'
import { RelishError, asRelishError } from '../core/base/errors.ts'
import { systemErrorCode } from '../core/base/system-error.ts'

export type Colours = ReturnType<typeof pc.createColors>

export interface Output {
  /** A fact the user asked for. */
  fact(text: string): void
  json(value: unknown): void
  /** What goes on, for whoever watches. */
  note(text: string): void
  readonly colours: Colours
  /** Standard output is a terminal: live views make sense. */
  readonly live: boolean
  readonly columns: number
}

export function terminalOutput(asJson: boolean): Output {
  const tty = process.stdout.isTTY === true
  const colours = pc.createColors(pc.isColorSupported && tty && !asJson)
  return {
    fact: (text) => void process.stdout.write(text + '\n'),
    json: (value) => void process.stdout.write(JSON.stringify(value, undefined, 2) + '\n'),
    // With --json standard output belongs to the one document.
    note: (text) => void (asJson ? process.stderr : process.stdout).write(text + '\n'),
    colours,
    live: tty && !asJson && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined,
    get columns() {
      return process.stdout.columns ?? 100
    },
  }
}

/** Whoever reads standard output has closed it: no error, they have read enough. */
export const isUnread = (error: unknown): boolean => systemErrorCode(error) === 'EPIPE'

/** Standard output takes nothing more: its disk is full. */
export const unwritten = (cause: unknown): RelishError => new RelishError('local-io', `standard output cannot be written: ${asRelishError(cause).message}`, { cause })

/** For a run that is made beside another, whose words nobody wants. */
export const silentOutput = ({ colours, columns }: Output): Output => ({ fact: () => undefined, json: () => undefined, note: () => undefined, colours, live: false, columns })

export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

/** The text, or as much of it as `columns` leave room for. */
export const cutTo = (text: string, columns: number): string => (text.length <= columns ? text : columns <= 0 ? '' : `${text.slice(0, columns - 1)}…`)
