/**
 * From lines to `TorOptions`. Lines come in layers (defaults file, torrc, command line, controller); in each layer a list
 * option begins anew unless written `+Option`, scalars are overwritten, and `/Option` returns to the default. What was
 * assigned is kept as text, for dumps, for the controller and for comparing two configurations. tor(1), "THE CONFIGURATION
 * FILE FORMAT".
 */

import { must } from '../base/assert.ts'
import { RelishError } from '../base/errors.ts'
import { configError, type ConfigLine } from './config-line.ts'
import {
  hiddenServiceOptionNames,
  hiddenServiceOptionTable,
  lookUpKeyword,
  optionNames,
  optionTable,
  type HiddenServiceOptionName,
  type HiddenServiceOptions,
  type OptionName,
  type TorOptions,
} from './option-table.ts'
import type { OptionSpec } from './option-spec.ts'
import { normalizeOptions } from './normalize.ts'
import { validateOptions } from './validate.ts'

/** A configuration that was read and checked. */
export interface TorConfig {
  readonly options: TorOptions
  /** Lines in force for each option that was set, under its canonical name. Onion-service lines are in `hiddenServiceLines`. */
  readonly assigned: ReadonlyMap<OptionName, readonly ConfigLine[]>
  readonly hiddenServiceLines: readonly ConfigLine[]
  /** Things a person should know and that are no errors: obsolete options, options set twice, options without effect. */
  readonly warnings: readonly string[]
}

/** Lines of one source, least specific source first. */
export type ConfigLayer = readonly ConfigLine[]

/**
 * Reads and checks a whole configuration. Throws `config` with file, line and what was expected. The first
 * problem is thrown; the others show once it is mended.
 */
export function buildConfig(layers: readonly ConfigLayer[]): TorConfig {
  const assignment = new Assignment()
  for (const layer of layers) assignment.addLayer(layer)
  return assignment.finish()
}

/** The configuration that results from setting more options, as SETCONF and RESETCONF do: an option's lines replace what it had. */
export function changeConfig(base: TorConfig, changes: ConfigLayer): TorConfig {
  const assignment = new Assignment(base)
  assignment.addLayer(changes)
  return assignment.finish()
}

/** All options at their defaults, as for a client of the public network or, if `testing`, of a test network. */
export function defaultOptions(testing = false): TorOptions {
  return normalizeOptions(readOptions(new Map(), [], testing))
}

/** The default of an option as text; undefined when there is none. */
export function defaultText(name: OptionName, testing: boolean): string | undefined {
  const spec = optionTable[name] as OptionSpec<unknown>
  return testing ? (spec.testingDefault ?? spec.default) : spec.default
}

class Assignment {
  readonly #assigned: Map<OptionName, ConfigLine[]>
  #services: ConfigLine[]
  readonly #warnings: string[] = []

  constructor(base?: TorConfig) {
    this.#assigned = new Map([...(base?.assigned ?? [])].map(([name, lines]) => [name, [...lines]]))
    this.#services = [...(base?.hiddenServiceLines ?? [])]
  }

  addLayer(layer: ConfigLayer): void {
    const seen = new Set<string>()
    for (const line of layer) this.#add(line, seen)
  }

  #add(line: ConfigLine, seen: Set<string>): void {
    const meaning = lookUpKeyword(line.keyword)
    switch (meaning.kind) {
      case 'unknown': {
        const hint = meaning.suggestion === undefined ? 'relish-tor --list-torrc-options lists all' : `did you mean ${meaning.suggestion}?`
        throw configError(`unknown option "${line.keyword}"`, line.position, hint)
      }
      case 'obsolete':
        this.#warnings.push(`${at(line)}option ${meaning.name} is obsolete and ignored`)
        return
      case 'hidden-service':
        this.#addService({ ...line, keyword: meaning.name }, seen)
        return
      case 'option':
        this.#addOption({ ...line, keyword: meaning.name }, meaning.name, meaning.spec, seen)
    }
  }

  #addService(line: ConfigLine, seen: Set<string>): void {
    if (!seen.has('HiddenServiceOptions') && line.command !== 'append') this.#services = []
    seen.add('HiddenServiceOptions')
    if (line.command !== 'clear' && line.command !== 'reset') this.#services.push(line)
  }

  #addOption(line: ConfigLine, name: OptionName, spec: OptionSpec<unknown>, seen: Set<string>): void {
    const again = seen.has(name)
    seen.add(name)
    if (line.command === 'reset' || (spec.kind.isList && line.command === 'clear')) {
      this.#assigned.delete(name)
      return
    }
    // An empty list line is most likely a mistake; C tor skips it too. An empty scalar is a value: nothing, zero or off.
    if (spec.kind.isList && line.value === '') {
      this.#warnings.push(`${at(line)}${name} has no value and is skipped`)
      return
    }
    if (!spec.kind.isList && again) this.#warnings.push(`${at(line)}${name} is set more than once; the last value counts`)
    const held = this.#assigned.get(name)
    if (spec.kind.isList && held !== undefined && (again || line.command === 'append')) held.push(line)
    else this.#assigned.set(name, [line])
  }

  finish(): TorConfig {
    const testing = this.#assigned.get('TestingTorNetwork')?.at(-1)?.value === '1'
    this.#checkSupport(testing)
    const options = normalizeOptions(readOptions(this.#assigned, this.#services, testing))
    const warnings = [...this.#warnings, ...validateOptions(options, this.#assigned)]
    return { options, assigned: this.#assigned, hiddenServiceLines: this.#services, warnings }
  }

  #checkSupport(testing: boolean): void {
    for (const [name, lines] of this.#assigned) {
      const warning = checkSupport(name, optionTable[name] as OptionSpec<unknown>, lines, defaultText(name, testing))
      if (warning !== undefined) this.#warnings.push(warning)
    }
    for (const line of this.#services) {
      const name = line.keyword as HiddenServiceOptionName
      const spec = hiddenServiceOptionTable[name] as OptionSpec<unknown>
      checkSupport(name, spec, [line], spec.default)
    }
  }
}

/** An option whose meaning we do not implement may be written down only with the value that asks for nothing. Answers with a warning. */
function checkSupport(name: string, spec: OptionSpec<unknown>, lines: readonly ConfigLine[], standard: string | undefined): string | undefined {
  if (spec.support.kind !== 'default-only' && spec.support.kind !== 'warned') return undefined
  const value = spec.kind.read(lines)
  const same = standard === undefined ? spec.kind.unset : spec.kind.read([syntheticLine(name, standard)])
  if (JSON.stringify(value) === JSON.stringify(same)) return undefined
  if (spec.support.kind === 'warned') return `${name} has no effect: ${spec.support.why}`
  const position = must(lines.at(-1), 'an assigned option has a line').position
  throw configError(`${name} is not supported by this program: ${spec.support.why}`, position, `only its default${standard === undefined ? '' : ` (${standard})`} is accepted`)
}

function readOptions(assigned: ReadonlyMap<OptionName, readonly ConfigLine[]>, services: readonly ConfigLine[], testing: boolean): TorOptions {
  const options: Record<string, unknown> = {}
  for (const name of optionNames) {
    options[name] = readOption(name, optionTable[name] as OptionSpec<unknown>, assigned.get(name), defaultText(name, testing))
  }
  options['HiddenServiceOptions'] = readHiddenServices(services)
  // The table computes the type, and this loop fills it from the same table.
  return options as unknown as TorOptions
}

function readOption(name: string, spec: OptionSpec<unknown>, lines: readonly ConfigLine[] | undefined, standard: string | undefined): unknown {
  if (lines !== undefined && lines.length > 0) return spec.kind.read(lines)
  return standard === undefined ? spec.kind.unset : spec.kind.read([syntheticLine(name, standard)])
}

/** One element for each HiddenServiceDir, with the lines that follow it. Throws `config`. */
export function readHiddenServices(lines: readonly ConfigLine[]): HiddenServiceOptions[] {
  const groups: Map<string, ConfigLine[]>[] = []
  for (const line of lines) {
    if (line.keyword === 'HiddenServiceDir') groups.push(new Map())
    const group = groups.at(-1)
    if (group === undefined) throw configError(`${line.keyword} without a HiddenServiceDir before it`, line.position)
    const spec = hiddenServiceOptionTable[line.keyword as HiddenServiceOptionName]
    const held = group.get(line.keyword)
    if (held !== undefined && !spec.kind.isList) throw configError(`${line.keyword} given twice for one service`, line.position)
    if (held === undefined) group.set(line.keyword, [line])
    else held.push(line)
  }
  return groups.map((group) => {
    const service: Record<string, unknown> = {}
    for (const name of hiddenServiceOptionNames) {
      const spec = hiddenServiceOptionTable[name] as OptionSpec<unknown>
      service[name] = readOption(name, spec, group.get(name), spec.default)
    }
    return service as unknown as HiddenServiceOptions
  })
}

/** A line that nobody wrote. */
export const syntheticLine = (keyword: string, value: string): ConfigLine => ({ keyword, value, command: 'replace', position: {} })

const at = (line: ConfigLine): string => {
  const { file, line: number } = line.position
  return number === undefined ? '' : `${file ?? 'line '}${file === undefined ? '' : ':'}${number}: `
}

/** `torrc:12: unknown option "ORPrt" (did you mean ORPort?)`: how a configuration error is told to a person. */
export function describeConfigError(error: RelishError): string {
  const { file, line } = error.position ?? {}
  const place = line === undefined ? '' : `${file ?? 'command line'}:${line}: `
  return `${place}${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`
}
