/** Configurations as text: `--dump-config short|full`, SAVECONF and `GETINFO config-text`. */

import { formatConfigValue } from './config-line.ts'
import { defaultText, type TorConfig } from './config.ts'
import { optionNames, optionTable, type OptionName } from './option-table.ts'
import type { OptionSpec } from './option-spec.ts'

/** `short`: options that were set. `full`: all options, with their defaults. Lines end in a newline. */
export function dumpConfig(config: TorConfig, form: 'short' | 'full'): string {
  const lines: string[] = []
  for (const name of [...optionNames].sort()) {
    if ((optionTable[name] as OptionSpec<unknown>).hidden) continue
    const values = assignedText(config, name)
    if (values.length > 0) lines.push(...values.map((value) => `${name} ${formatConfigValue(value)}`))
    else if (form === 'full') lines.push(`${name}${defaultSuffix(config, name)}`)
  }
  lines.push(...config.hiddenServiceLines.map((line) => `${line.keyword} ${formatConfigValue(line.value)}`))
  return lines.map((line) => `${line}\n`).join('')
}

/** Values an option was given, as text; empty when it has its default. */
export function assignedText(config: TorConfig, name: OptionName): string[] {
  return (config.assigned.get(name) ?? []).map((line) => line.value)
}

/** Values in force as text: those assigned, or the default; an empty array for an unset option. */
export function effectiveText(config: TorConfig, name: OptionName): string[] {
  const assigned = assignedText(config, name)
  if (assigned.length > 0) return assigned
  const standard = defaultText(name, config.options.TestingTorNetwork)
  return standard === undefined ? [] : [standard]
}

function defaultSuffix(config: TorConfig, name: OptionName): string {
  const standard = defaultText(name, config.options.TestingTorNetwork)
  return standard === undefined || standard === '' ? '' : ` ${formatConfigValue(standard)}`
}
