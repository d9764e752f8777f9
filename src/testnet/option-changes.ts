/**
 * Options of a node changed after its torrc was written: new values go in place of the lines that the option had, so that
 * a list begins anew and no line contradicts another. The same in every world, for running nodes and for others.
 */

import { RelishError } from '../core/base/errors.ts'
import { buildConfig, type TorConfig } from '../core/torrc/config.ts'
import { noIncludes, readConfigText } from '../core/torrc/include.ts'
import { lookUpKeyword } from '../core/torrc/option-table.ts'
import { checkReload } from '../core/torrc/reload.ts'
import { ownedOptions } from './lint-network.ts'
import type { ResolvedNode } from './network-types.ts'

/** A list sets the option once for each value; `null` returns it to C tor's default. */
export type OptionValue = string | number | boolean | null | readonly (string | number | boolean)[]

/** Torrc options with new values: `{ BandwidthRate: '1 MB', ExitPolicy: ['accept *:80', 'reject *:*'] }`. */
export interface OptionValues {
  readonly [option: string]: OptionValue
}

/** Values as text by name of the option as written; none for its default. */
export type OptionChanges = ReadonlyMap<string, readonly string[]>

/** Throws `config` for options that relish itself sets, and for values that are no single line. */
export function optionChanges(values: OptionValues): OptionChanges {
  return new Map(
    Object.entries(values).map(([option, value]) => {
      const owned = ownedOptions[option.toLowerCase()]
      if (owned !== undefined) throw new RelishError('config', `${option} is set by relish itself`, { hint: owned })
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(option)) throw new RelishError('config', `"${option}" is not the name of an option`)
      const texts = (value === null ? [] : typeof value === 'object' ? value : [value]).map((one) => (typeof one === 'boolean' ? (one ? '1' : '0') : String(one)))
      if (texts.some((text) => /[\r\n]/.test(text))) throw new RelishError('config', `a value of ${option} is longer than one line`)
      return [option, texts]
    }),
  )
}

/** The torrc with the changes in it. */
export function changeTorrc(torrc: string, changes: OptionChanges): string {
  if (changes.size === 0) return torrc
  const changed = new Set([...changes.keys()].map(canonical))
  const isChanged = (line: string): boolean => changed.has(canonical(/^\s*[+/]?([A-Za-z0-9_]+)/.exec(line)?.[1] ?? ''))
  const added = [...changes].flatMap(([option, values]) => values.map((value) => `${option} ${value}`))
  const [original = '', before = ''] = torrc.split(`\n${heading}\n`)
  const later = [...before.split('\n'), ...added].filter((line, index, all) => line !== '' && (index >= all.length - added.length || !isChanged(line)))
  const kept = original.split('\n').filter((line) => !isChanged(line)).join('\n').trimEnd()
  return later.length === 0 ? `${kept}\n` : `${kept}\n\n${heading}\n${later.join('\n')}\n`
}

/** What stands between the torrc as written and what was changed since. */
const heading = '# Changed while the network ran.'

/**
 * The same for a node that has to live with it. Throws `config` if relish could not run with the outcome, or could not take
 * it over while running. What C tor thinks of its own nodes' torrcs it says itself.
 */
export function changeTorrcOf(node: ResolvedNode, torrc: string, changes: OptionChanges, isRunning: boolean): string {
  const changed = changeTorrc(torrc, changes)
  if (node.implementation !== 'relish') return changed
  const next = readTorrc(changed, node.name)
  if (isRunning) checkReload(readTorrc(torrc, node.name), next)
  return changed
}

/** A torrc as relish writes it: without includes. Throws `config`. */
export const readTorrc = (text: string, name: string): TorConfig => buildConfig([readConfigText(text, `torrc of ${name}`, noIncludes)])

/** One spelling for each option, that of C tor where relish knows it. */
function canonical(option: string): string {
  const meaning = lookUpKeyword(option)
  return meaning.kind === 'option' ? meaning.name : option.toLowerCase()
}
