/** Faults on the command line: the entries of a timeline, as a list in YAML. */

import schema from '../../../networks/scenario.schema.json' with { type: 'json' }
import { RelishError } from '../../core/base/errors.ts'
import { NetworkFileError } from '../diagnostic.ts'
import { isVoteMisbehaviour, type TimedFault } from '../fault/fault.ts'
import type { ResolvedNetwork } from '../network-types.ts'
import { parseSchemaFile } from '../parse-network.ts'
import { readTimeline, type ScenarioFile } from './load-scenario.ts'

/** Throws `NetworkFileError` for what a scenario file could not have either, `config` for what is no fault. */
export function parseFaultList(text: string, network: ResolvedNetwork): readonly TimedFault[] {
  const { file, source, diagnostics } = parseSchemaFile<ScenarioFile>(schema, `network: here\ntimeline: ${text}\n`, '--faults', {})
  const found = [...diagnostics]
  const timeline = file === undefined ? undefined : readTimeline(file.timeline, network, source, found)
  if (timeline === undefined || found.length > 0) throw new NetworkFileError(found)
  if (timeline.actions.length + timeline.expectations.length > 0) throw new RelishError('config', '--faults takes faults only', { hint: 'actions and expectations belong to a scenario file' })
  return timeline.faults
}

/** What `parseFaultList` reads as these faults. */
export function formatFaultList(faults: readonly TimedFault[]): string {
  return `[${faults.map(formatFault).join(', ')}]`
}

function formatFault({ atMs, forMs, fault }: TimedFault): string {
  const fields: [string, string][] = [['at', `${atMs}ms`], ...(forMs === undefined ? [] : [['for', `${forMs}ms`] as [string, string]])]
  const list = (names: readonly string[]): string => `[${names.map(word).join(', ')}]`
  switch (fault.kind) {
    case 'crash':
    case 'pause':
    case 'disk-full':
      fields.push([fault.kind, word(fault.node)])
      break
    case 'partition':
      fields.push(['partition', `[${fault.sides.map(list).join(', ')}]`])
      break
    case 'slow':
      fields.push(['slow', list(fault.ends)], ['latency', `${fault.latencyMs}ms`])
      if (fault.bytesPerSecond !== undefined) fields.push(['bandwidth', String(fault.bytesPerSecond)])
      break
    case 'drop':
      fields.push(['drop', list(fault.ends)])
      break
    case 'clock':
      fields.push(['clock', word(fault.node)], ['jumpSec', String(fault.jumpSec)])
      break
    case 'misbehave':
      fields.push(['misbehave', word(fault.node)], ['how', fault.how])
      if (!isVoteMisbehaviour(fault.how)) fields.push(['every', String(fault.every)])
      break
  }
  return `{ ${fields.map(([key, value]) => `${key}: ${value}`).join(', ')} }`
}

/** As YAML takes it for a string: `*` would begin an alias. */
const word = (name: string): string => (/^(?!(true|false|null)$)[a-z][a-z0-9]*$/i.test(name) ? name : JSON.stringify(name))
