/** What changes from one configuration to the next, and whether a running node may take the change: SIGHUP and SETCONF. */

import { RelishError } from '../base/errors.ts'
import type { TorConfig } from './config.ts'
import { effectiveText, sameText } from './dump.ts'
import { optionNames, optionTable, type OptionName } from './option-table.ts'
import type { OptionSpec } from './option-spec.ts'

export interface ConfigChange {
  readonly name: OptionName | 'HiddenServiceOptions'
  readonly from: readonly string[]
  readonly to: readonly string[]
}

/** Options whose values in force differ. */
export function diffConfig(from: TorConfig, to: TorConfig): ConfigChange[] {
  const changes: ConfigChange[] = []
  for (const name of optionNames) {
    const before = effectiveText(from, name)
    const after = effectiveText(to, name)
    if (!sameText(before, after)) changes.push({ name, from: before, to: after })
  }
  const services = (config: TorConfig): string[] => config.hiddenServiceLines.map((line) => `${line.keyword} ${line.value}`)
  if (!sameText(services(from), services(to))) changes.push({ name: 'HiddenServiceOptions', from: services(from), to: services(to) })
  return changes
}

/** The changes, or `config` thrown if one of them is not possible while running: then nothing changes. */
export function checkReload(from: TorConfig, to: TorConfig): ConfigChange[] {
  const changes = diffConfig(from, to)
  const fixed = changes.filter((change) => change.name !== 'HiddenServiceOptions' && (optionTable[change.name] as OptionSpec<unknown>).fixed)
  if (fixed.length > 0) {
    throw new RelishError('config', `${fixed.map((change) => change.name).join(', ')} may not change while the node runs`, { hint: 'restart the node' })
  }
  return changes
}
