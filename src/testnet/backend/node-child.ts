/** A node as a child process, whichever program it is: what the process backend needs of it. */

import type { NodeCommand, NodeEvent } from '../../runtime/events.ts'

export interface NodeChild {
  readonly pid: number | undefined
  /** Throws `unavailable` if it has ended, `refused` with its words if it says no. */
  command(command: NodeCommand): Promise<unknown>
  signal(signal: 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'): void
  /** Asks it to end, then makes it. Resolves when it is gone. */
  stop(): Promise<void>
  kill(): Promise<void>
}

export interface NodeChildCallbacks {
  readonly onEvent: (event: NodeEvent) => void
  /** Called once. `reason` is undefined if it was asked to stop. */
  readonly onExit: (reason: string | undefined) => void
}
