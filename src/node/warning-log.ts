/** A node's log that also tells the node of warnings and errors, for whoever wants its last ones without reading its log. */

import type { Log } from '../runtime/index.ts'

export function tellWarnings(log: Log, onWarning: (level: 'warn' | 'error', message: string) => void): Log {
  return {
    // Wherever the log leaves them out, warnings are wanted here.
    enabled: (level, domain) => level === 'warn' || level === 'error' || log.enabled(level, domain),
    write: (level, domain, message) => {
      if (log.enabled(level, domain)) log.write(level, domain, message)
      if (level === 'warn' || level === 'error') onWarning(level, message)
    },
  }
}
