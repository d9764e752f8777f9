/**
 * What the option table is made of: the kinds of values, and the description of one option. A kind knows how to read all
 * lines of its option into one typed value; scalars use the last line, lists use all.
 */

import { durationMs, type DurationMs } from '../base/time.ts'
import { nearest } from '../base/nearest.ts'
import { configError, type ConfigLine } from './config-line.ts'
import { parseAddressPattern } from './router-set.ts'
import { parseInterval, parseMemory, parseMillisecondInterval } from './units.ts'

/** One kind of value. */
export interface ValueKind<T> {
  /** C tor's name of the kind, as `GETINFO config/names` gives it. */
  readonly name: string
  /** Whether each line adds to the value; otherwise the last one counts. */
  readonly isList: boolean
  /** The value of no line at all, where the option has no default. */
  readonly unset: T
  /** `lines` is not empty. Throws `config` with the position of the offending line. */
  read(lines: readonly ConfigLine[]): T
  /** The one canonical text of a value, as C tor dumps it; undefined for a value that is not there. Kinds without it keep their lines as they were. */
  write?(value: T): string | undefined
}

/** What the node does with an option. */
export type OptionSupport =
  | { readonly kind: 'used' }
  /** Accepted in any value, since what it asks for holds anyway or does not exist here. */
  | { readonly kind: 'no-effect'; readonly why: string }
  /** Accepted in any value, as C tor does where it was built without the feature; other values than the default are warned about. */
  | { readonly kind: 'warned'; readonly why: string }
  /** Accepted only in its default value: anything else would be a promise we do not keep. */
  | { readonly kind: 'default-only'; readonly why: string }

/** Which nodes an option is for. */
export type OptionScope = 'process' | 'general' | 'client' | 'relay' | 'directory' | 'authority' | 'onion-service' | 'control' | 'testing'

export interface OptionSpec<T> {
  readonly kind: ValueKind<T>
  /** As text of a torrc; undefined when there is none. */
  readonly default: string | undefined
  /** The default under `TestingTorNetwork 1`, where it differs. */
  readonly testingDefault: string | undefined
  readonly scope: OptionScope
  readonly description: string
  /** May not change while the node runs: a reload that changes it is refused. */
  readonly fixed: boolean
  /** May differ from the default only under `TestingTorNetwork 1`. */
  readonly testingOnly: boolean
  /** Left out of dumps and of SAVECONF. */
  readonly hidden: boolean
  readonly support: OptionSupport
}

/** What a table entry may say beyond default and description. */
export interface OptionTraits {
  readonly testing?: string
  readonly fixed?: boolean
  readonly testingOnly?: boolean
  readonly hidden?: boolean
  readonly noEffect?: string
  readonly warned?: string
  readonly defaultOnly?: string
}

/** Makes the entry-makers for one part of the table: `make(kind)(default, description, traits)`. */
export function optionsOf(scope: OptionScope) {
  return <T>(kind: ValueKind<T>, defaultText: string | undefined, description: string, traits: OptionTraits = {}): OptionSpec<T> => ({
    kind,
    default: defaultText,
    testingDefault: traits.testing,
    scope,
    description,
    fixed: traits.fixed ?? false,
    testingOnly: traits.testingOnly ?? false,
    hidden: traits.hidden ?? false,
    support: supportOf(traits),
  })
}

function supportOf(traits: OptionTraits): OptionSupport {
  if (traits.noEffect !== undefined) return { kind: 'no-effect', why: traits.noEffect }
  if (traits.warned !== undefined) return { kind: 'warned', why: traits.warned }
  if (traits.defaultOnly !== undefined) return { kind: 'default-only', why: traits.defaultOnly }
  return { kind: 'used' }
}

function scalar<T>(name: string, unset: T, expects: string, parse: (text: string) => T | undefined, write: (value: T) => string | undefined): ValueKind<T> {
  return {
    name,
    isList: false,
    unset,
    write,
    read(lines) {
      const line = lines[lines.length - 1]
      if (line === undefined || line.value === '') return unset
      const value = parse(line.value)
      if (value === undefined) throw configError(`${line.keyword}: expected ${expects}, not "${line.value}"`, line.position)
      return value
    },
  }
}

/** A list with one element a line. */
export function eachLine<T>(name: string, parse: (line: ConfigLine) => T): ValueKind<readonly T[]> {
  return { name, isList: true, unset: [], read: (lines) => lines.map(parse) }
}

/** A value that all lines make together. */
export function allLines<T>(name: string, unset: T, read: (lines: readonly ConfigLine[]) => T, write?: (value: T) => string | undefined): ValueKind<T> {
  return { name, isList: true, unset, read, ...(write === undefined ? {} : { write }) }
}

const parseBool = (text: string): boolean | undefined => (text === '1' ? true : text === '0' ? false : undefined)
const writeBool = (value: boolean): string => (value ? '1' : '0')
const writeSeconds = (value: DurationMs): string => String(Math.floor(value / 1000))
const parseInteger = (text: string): number | undefined => {
  const value = /^\s*[-+]?\d+\s*$/.test(text) ? Number(text) : NaN
  return value >= -0x8000_0000 && value <= 0x7fff_ffff ? value : undefined
}

export const bool: ValueKind<boolean> = scalar('Boolean', false, '0 or 1', parseBool, writeBool)
export const autobool: ValueKind<boolean | 'auto'> = scalar<boolean | 'auto'>(
  'Boolean+Auto',
  'auto',
  '0, 1 or auto',
  (text) => (text.toLowerCase() === 'auto' ? 'auto' : parseBool(text)),
  (value) => (value === 'auto' ? value : writeBool(value)),
)
export const integer: ValueKind<number> = scalar('SignedInteger', 0, 'a whole number', parseInteger, String)
export const natural: ValueKind<number> = scalar(
  'Integer',
  0,
  'a whole number of at least 0',
  (text) => {
    const value = parseInteger(text)
    return value === undefined || value < 0 ? undefined : value
  },
  String,
)
export const float: ValueKind<number> = scalar(
  'Float',
  0,
  'a number',
  (text) => (/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) ? Number(text) : undefined),
  (value) => value.toFixed(6),
)
const timeExample = 'a time such as "30 seconds", "10 minutes" or "2 days"'
export const interval: ValueKind<DurationMs> = scalar('TimeInterval', durationMs(0), timeExample, (text) => asDuration(parseInterval(text)), writeSeconds)
export const msecInterval: ValueKind<DurationMs> = scalar(
  'TimeMsecInterval',
  durationMs(0),
  'a time such as "100 msec" or "1 second"',
  (text) => asDuration(parseMillisecondInterval(text)),
  String,
)
/** C tor keeps the first of a list of intervals, the initial delay, and so do we. */
export const firstInterval: ValueKind<DurationMs> = scalar(
  'TimeIntervalCommaList',
  durationMs(0),
  timeExample,
  (text) => asDuration(parseInterval(text.split(',')[0] ?? '')),
  writeSeconds,
)
/** Bytes. */
export const memory: ValueKind<number> = scalar('DataSize', 0, 'an amount such as "512 KB", "10 MBits" or "1 GB"', parseMemory, String)
export const text: ValueKind<string | undefined> = scalar<string | undefined>('String', undefined, 'a text', (value) => value, (value) => value)
export const filename: ValueKind<string | undefined> = scalar<string | undefined>('Filename', undefined, 'a path', (value) => value, (value) => value)
const splitCommas = (value: string): string[] => value.split(',').map((item) => item.trim()).filter((item) => item !== '')
const joinCommas = (value: readonly (string | number)[]): string => value.join(',')

export const commaList: ValueKind<readonly string[]> = scalar<readonly string[]>('CommaList', [], 'a list with commas', splitCommas, joinCommas)
export const portList: ValueKind<readonly number[]> = scalar<readonly number[]>(
  'CommaList',
  [],
  'ports with commas between them',
  (value) => {
    const ports = splitCommas(value).map(Number)
    return ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65535) ? ports : undefined
  },
  joinCommas,
)

/** One of a few words; upper and lower case are the same. */
export function choice<const Word extends string>(...words: readonly Word[]): ValueKind<Word> {
  return scalar<Word>(
    'String',
    words[0] as Word,
    `one of ${words.join(', ')}`,
    (value) => words.find((word) => word.toLowerCase() === value.toLowerCase()),
    (value) => value,
  )
}

/** Each line as it stands. */
export const textLines: ValueKind<readonly string[]> = eachLine('LineList', (line) => line.value)

/**
 * Lines of an exit, directory or SOCKS policy: `accept` and `reject` rules as text, in order. Rules are taken apart by
 * `core/netdoc`; here only their verbs are checked, so that a typo is found with its line.
 */
export const policyLines: ValueKind<readonly string[]> = allLines<readonly string[]>('LineList', [], (lines) =>
  lines.flatMap((line) =>
    line.value.split(',').map((rule) => rule.trim()).filter((rule) => rule !== '').map((rule) => checkRule(rule, line)),
  ),
)

const policyVerbs = ['accept', 'reject', 'accept6', 'reject6'] as const

function checkRule(rule: string, line: ConfigLine): string {
  const match = /^(\S+)\s+(\S+)$/.exec(rule)
  const verb = (match?.[1] ?? rule).toLowerCase()
  if (!(policyVerbs as readonly string[]).includes(verb)) {
    const near = nearest(verb, policyVerbs)
    throw configError(`${line.keyword}: a rule begins with accept or reject, not "${rule}"`, line.position, near === undefined ? undefined : `did you mean ${near}?`)
  }
  const pattern = match?.[2] ?? ''
  if (!/^(\*[46]?|private)(\/\d+)?(:(\*|\d+(-\d+)?))?$/i.test(pattern) && parseAddressPattern(pattern) === undefined && !isMaskPattern(pattern)) {
    throw configError(`${line.keyword}: cannot read "${pattern}" as an address pattern`, line.position, 'patterns look like 10.0.0.0/8:80, [2001:db8::]/32:*, *:6660-6667, private:*')
  }
  return rule
}

/** `address/dotted-mask[:ports]`, the old spelling. */
const isMaskPattern = (pattern: string): boolean => /^\d+\.\d+\.\d+\.\d+\/\d+\.\d+\.\d+\.\d+(:(\*|\d+(-\d+)?))?$/.test(pattern)

const asDuration = (ms: number | undefined): DurationMs | undefined => (ms === undefined ? undefined : durationMs(ms))
