/** What the owner of a host runtime decides: types only. */

import type { RelishError } from '../core/base/errors.ts'
import type { DurationMs } from '../core/base/time.ts'
import type { Log, Runtime } from '../runtime/index.ts'
import type { TraceSink } from '../runtime/trace.ts'

export interface HostOptions {
  /** Root of the node's files. Made with mode 0700 at the first write. */
  readonly dataDirectory: string
  /** Where log messages go; nowhere if absent. */
  readonly log?: Log
  readonly trace?: TraceSink
  /** Gets what a handler threw. The process goes on unless this ends it. */
  readonly onBug: (error: RelishError) => void
  /** Listening sockets inherited from the parent: `ADDR:PORT` (IPv6 in brackets) to file descriptor. */
  readonly inheritedListeners?: ReadonlyMap<string, number>
  /** A file in the form of resolv.conf (`nameserver ADDR[:PORT]` lines) to use in place of the system's resolver. */
  readonly resolvConfFile?: string
  /** Addresses that questions to name servers leave from; the operating system's choice if absent. */
  readonly resolverHosts?: { readonly ipv4?: string; readonly ipv6?: string }
  /** Added to the system's wall clock. */
  readonly clockOffset?: DurationMs
  /** Seed of all random streams, for tests. Absent: the operating system's generator, as any real node needs. */
  readonly dangerouslySeededFrom?: string
}

export interface HostRuntime extends Runtime {
  /** Closes every listener, stream and timer that is left. Handlers are not called any more. */
  close(): void
}
