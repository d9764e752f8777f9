/**
 * What a node looks like from outside: types only. `create-node.ts` makes one; programs, backends and the control port
 * use it.
 */

import type { RelishError } from '../core/base/errors.ts'
import type { ConfigLine } from '../core/torrc/config-line.ts'
import type { TorConfig } from '../core/torrc/config.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { NodeCommand, NodeEvent } from '../runtime/events.ts'
import type { LogLevel } from '../runtime/index.ts'

export type NodeReply = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: string }

/** Who started the node. */
export interface NodeOwner {
  onEvent(event: NodeEvent): void
  /** Where the configuration comes from; absent, the control port shows defaults and changes nothing. */
  readonly config?: ConfigSource
  /** For GETINFO process/pid and controllers that watch it; absent in simulation. */
  readonly processId?: number
  /** Absolute path of the data directory; absent in simulation. */
  readonly dataDirectory?: string
  /** Writes a file that the configuration names by its path, outside the data directory. Throws `local-io`. */
  writeFile?(path: string, content: Uint8Array, mode: number): void
  /** Log messages of these levels from now on, for controllers that want them. */
  followLog?(levels: ReadonlySet<LogLevel>, listener: (level: LogLevel, message: string) => void): { close(): void }
  /** From now on all messages are logged (SIGNAL DEBUG). */
  logEverything?(): void
  /** A controller asked for the end of the process: SHUTDOWN waits for ShutdownWaitLength, HALT does not. Absent: the node stops itself. */
  requestExit?(how: 'SHUTDOWN' | 'HALT'): void
  /** The node cannot start or go on: a port that is taken, a key file that cannot be read. Absent: it stops by itself. */
  onFatal?(error: RelishError): void
}

/** The configuration of a running node: it can be read again, changed, and saved. Errors are thrown (`config`, `local-io`). */
export interface ConfigSource {
  /** Path of the torrc, and of the defaults file; undefined if there is none. */
  readonly file: string | undefined
  readonly defaultsFile: string | undefined
  current(): TorConfig
  /** SETCONF and RESETCONF: lines replace what their options had. Applies all or throws. */
  change(lines: readonly ConfigLine[]): void
  /** LOADCONF: a whole configuration in place of the torrc. */
  replace(text: string): void
  /** SIGHUP: reads the files again. */
  reload(): void
  /** SAVECONF: writes the torrc. */
  save(): void
}

export interface Node {
  start(): void
  handleCommand(command: NodeCommand, reply: (reply: NodeReply) => void): void
  /** Takes over options that changed while running; those that may not change were refused before. */
  reconfigure(options: TorOptions): void
  /** Closes everything. `onStopped` is called once, last. */
  stop(onStopped: () => void): void
}
