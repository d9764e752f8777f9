/** Configurations as text: `--dump-config short|full`, SAVECONF, GETCONF and `GETINFO config-text`. The forms are C tor's. */

import { formatConfigValue } from './config-line.ts'
import { defaultText, syntheticLine, type TorConfig } from './config.ts'
import { optionNames, optionTable, type OptionName } from './option-table.ts'
import type { OptionSpec } from './option-spec.ts'

/** `short`: options that differ from their defaults. `full`: all options that have a value. Lines end in a newline. */
export function dumpConfig(config: TorConfig, form: 'short' | 'full'): string {
  const lines: string[] = []
  for (const name of [...optionNames].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))) {
    if ((optionTable[name] as OptionSpec<unknown>).hidden) continue
    const values = effectiveText(config, name)
    if (form === 'short' && (!config.assigned.has(name) || sameText(values, standardText(config, name)))) continue
    lines.push(...values.map((value) => (value === '' ? name : `${name} ${formatConfigValue(value)}`)))
  }
  lines.push(...config.hiddenServiceLines.map((line) => `${line.keyword} ${formatConfigValue(line.value)}`))
  return lines.map((line) => `${line}\n`).join('')
}

/** Values in force as text, one for each line that would set them; none for what is not set. */
export function effectiveText(config: TorConfig, name: OptionName): string[] {
  const spec = optionTable[name] as OptionSpec<unknown>
  const assigned = config.assigned.get(name)
  if (assigned === undefined) return standardText(config, name)
  if (spec.kind.write === undefined) return assigned.map((line) => line.value)
  const value = spec.kind.write(spec.kind.read(assigned))
  return value === undefined ? [] : [value]
}

/** The default as text, in the same form. */
function standardText(config: TorConfig, name: OptionName): string[] {
  const spec = optionTable[name] as OptionSpec<unknown>
  const standard = defaultText(name, config.options.TestingTorNetwork)
  if (spec.kind.write === undefined) return standard === undefined ? [] : [standard]
  const value = spec.kind.write(standard === undefined ? spec.kind.unset : spec.kind.read([syntheticLine(name, standard)]))
  return value === undefined ? [] : [value]
}

export const sameText = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((value, i) => value === b[i])
