/** The first line of a trace. */

import { programVersion } from '../core/base/version.ts'
import type { TraceHeader, TraceNode } from '../runtime/trace.ts'
import { traceFormat, traceVersion } from './schema.ts'

export function traceHeader(of: { readonly network: string; readonly world: TraceHeader['world']; readonly seed?: string; readonly startMs: number; readonly nodes: readonly TraceNode[] }): TraceHeader {
  const { network, world, seed, startMs, nodes } = of
  return { format: traceFormat, version: traceVersion, program: `relish ${programVersion}`, network, world, ...(seed === undefined ? {} : { seed }), startMs, nodes }
}
