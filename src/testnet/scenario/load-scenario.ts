/** Text of a scenario file to a `Scenario`: schema, then what each entry of the timeline means, with places in complaints. */

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { isMap, parseDocument } from 'yaml'
import schema from '../../../networks/scenario.schema.json' with { type: 'json' }
import { suggestion } from '../../core/base/nearest.ts'
import { readTextBounded } from '../../host/read-bounded.ts'
import { builtInCheckNames } from '../checks/names.ts'
import { NetworkFileError, type Diagnostic } from '../diagnostic.ts'
import { parseDuration } from '../duration.ts'
import { isVoteMisbehaviour, type Fault, type Misbehaviour, type TimedFault } from '../fault/fault.ts'
import { namesOf } from '../fault/names.ts'
import { networkFileBytesMax } from '../limits.ts'
import { rateOf } from '../link-settings.ts'
import { loadNetwork, loadNetworkText, type LoadedNetwork } from '../load-network.ts'
import { isRelay, type ResolvedNetwork } from '../network-types.ts'
import { packageRoot } from '../package-root.ts'
import { parseSchemaFile, type SourceMap, type YamlPath } from '../parse-network.ts'
import type { Expectation, Scenario, TimedAction, TimedExpectation, Timeline } from './scenario.ts'

type Environment = { readonly [name: string]: string | undefined }
type Duration = number | string

interface EntryFile {
  readonly at: Duration
  readonly for?: Duration
  readonly crash?: string
  readonly pause?: string
  readonly partition?: readonly (readonly string[])[]
  readonly slow?: readonly string[]
  readonly latency?: Duration
  readonly bandwidth?: number | string
  readonly drop?: readonly string[]
  readonly clock?: string
  readonly jumpSec?: number
  readonly 'disk-full'?: string
  readonly misbehave?: string
  readonly how?: Misbehaviour
  readonly every?: number | string
  readonly restart?: string
  readonly vote?: true
  readonly expect?: {
    readonly every?: string
    readonly some?: string
    readonly has?: 'circuit' | 'consensus' | 'ready' | 'stopped'
    readonly consensus?: { readonly running?: number; readonly signatures?: number; readonly newer?: true }
    readonly check?: string
  }
  readonly within?: Duration
}

export interface ScenarioFile {
  readonly description?: string
  readonly network: string | object
  readonly set?: readonly string[]
  readonly seed?: string | number
  readonly traffic?: boolean
  readonly timeline: readonly EntryFile[]
}

/** What an entry may be, each with what else it needs and may have. */
const kinds: Readonly<Record<string, { readonly needs: readonly string[]; readonly may: readonly string[] }>> = Object.freeze({
  crash: { needs: [], may: ['for'] },
  pause: { needs: [], may: ['for'] },
  partition: { needs: [], may: ['for'] },
  slow: { needs: [], may: ['for', 'latency', 'bandwidth'] },
  drop: { needs: [], may: [] },
  clock: { needs: ['jumpSec'], may: ['for'] },
  'disk-full': { needs: [], may: ['for'] },
  misbehave: { needs: ['how'], may: ['for', 'every'] },
  restart: { needs: [], may: [] },
  vote: { needs: [], may: [] },
  expect: { needs: [], may: ['within'] },
})

const everyUsually = 20

export interface BuiltInScenario {
  readonly name: string
  readonly path: string
  readonly description: string
}

/** Scenarios that ship with the package, by name. */
export function builtInScenarios(): BuiltInScenario[] {
  const folder = join(packageRoot(), 'networks', 'scenarios')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((file) => {
      const path = join(folder, file)
      const description: unknown = parseDocument(readFileSync(path, 'utf8')).get('description')
      return { name: basename(file, '.yaml'), path, description: String(description ?? '') }
    })
}

/** The scenario that a name or path means; undefined if it means none, and is for whoever loads networks. */
export function findScenario(nameOrPath: string): string | undefined {
  const path = resolve(nameOrPath)
  if (existsSync(path) && statSync(path).isFile()) return /^timeline:/m.test(readTextBounded(path, networkFileBytesMax)) ? path : undefined
  return builtInScenarios().find((scenario) => scenario.name === nameOrPath)?.path
}

/** Throws `NetworkFileError` when anything is wrong with the file, or with the network it names. */
export function loadScenario(path: string, environment: Environment, settings: readonly string[] = []): Scenario {
  return loadScenarioText(readTextBounded(path, networkFileBytesMax), path, environment, settings)
}

export function loadScenarioText(text: string, path: string, environment: Environment, settings: readonly string[] = []): Scenario {
  const { file, source, diagnostics } = parseSchemaFile<ScenarioFile>(schema, text, path, environment)
  if (file === undefined) throw new NetworkFileError(diagnostics)
  const loaded = loadItsNetwork(text, file, path, environment, [...(file.set ?? []), ...settings])
  const found: Diagnostic[] = []
  const timeline = readTimeline(file.timeline, loaded.network, source, found)
  if (found.length > 0) throw new NetworkFileError(found)
  return { name: basename(path, extname(path)), description: file.description ?? '', loaded, seed: String(file.seed ?? '1'), traffic: file.traffic ?? true, ...timeline }
}

function loadItsNetwork(text: string, file: ScenarioFile, path: string, environment: Environment, settings: readonly string[]): LoadedNetwork {
  if (typeof file.network !== 'string') {
    const inner = parseDocument(text).get('network', true)
    return loadNetworkText(isMap(inner) ? parseDocument(text).createNode(inner.toJSON()).toString() : '', path, environment, settings)
  }
  return loadNetwork(/[/\\]|\.ya?ml$/.test(file.network) ? resolve(dirname(path), file.network) : file.network, environment, settings)
}

export function readTimeline(entries: readonly EntryFile[], network: ResolvedNetwork, source: SourceMap, found: Diagnostic[]): Timeline {
  const faults: TimedFault[] = []
  const actions: TimedAction[] = []
  const expectations: TimedExpectation[] = []
  for (const [index, entry] of entries.entries()) {
    const path: YamlPath = ['timeline', index]
    const before = found.length
    checkShape(entry, path, source, found)
    checkNames(entry, network, path, source, found)
    if (found.length > before) continue
    const atMs = ms(entry.at)
    const fault = faultOf(entry)
    const expectation = expectationOf(entry, network)
    if (fault !== undefined) faults.push({ atMs, forMs: entry.for === undefined ? undefined : ms(entry.for), fault })
    else if (entry.restart !== undefined) actions.push({ atMs, action: { kind: 'restart', names: namesOf(network, entry.restart) } })
    else if (entry.vote !== undefined) actions.push({ atMs, action: { kind: 'vote' } })
    else if (expectation !== undefined) expectations.push({ atMs, withinMs: ms(entry.within ?? 0), expectation })
  }
  return { faults, actions, expectations }
}

/** The schema has seen that it is a duration. */
const ms = (duration: Duration): number => parseDuration(duration) ?? 0

/** One kind an entry, and beside it only what belongs to that kind. */
function checkShape(entry: EntryFile, path: YamlPath, source: SourceMap, found: Diagnostic[]): void {
  const keys = Object.keys(entry)
  const own = keys.filter((key) => key in kinds)
  const [kind, another] = own
  if (kind === undefined || another !== undefined) {
    found.push(source.complain(path, 'value', 'error', kind === undefined ? 'nothing happens here' : `"${kind}" and "${another}" are two entries`, [`an entry is one of: ${Object.keys(kinds).join(', ')}`]))
    return
  }
  const { needs, may } = kinds[kind] ?? { needs: [], may: [] }
  for (const key of needs) if (!keys.includes(key)) found.push(source.complain(path, 'value', 'error', `"${kind}" needs "${key}"`))
  for (const key of keys) {
    if (key !== 'at' && key !== kind && !needs.includes(key) && !may.includes(key)) found.push(source.complain([...path, key], 'key', 'error', `"${key}" has no meaning beside "${kind}"`))
  }
  if (entry.expect !== undefined) {
    const { every, some, has, consensus, check } = entry.expect
    const whole = [(every !== undefined) !== (some !== undefined) && has !== undefined, consensus !== undefined, check !== undefined].filter(Boolean).length
    if (whole !== 1 || ((every ?? some ?? has) !== undefined && has === undefined)) {
      found.push(source.complain([...path, 'expect'], 'value', 'error', 'this is not one expectation', ['as in { every: client, has: circuit }, { consensus: { running: 5 } } or { check: echo }']))
    }
  }
}

function checkNames(entry: EntryFile, network: ResolvedNetwork, path: YamlPath, source: SourceMap, found: Diagnostic[]): void {
  const places: [YamlPath, string | undefined][] = [
    ...(['crash', 'pause', 'clock', 'disk-full', 'misbehave', 'restart'] as const).map((key): [YamlPath, string | undefined] => [[...path, key], entry[key]]),
    ...(['slow', 'drop'] as const).flatMap((key) => (entry[key] ?? []).map((word, side): [YamlPath, string] => [[...path, key, side], word])),
    ...(entry.partition ?? []).flatMap((side, index) => side.map((word, at): [YamlPath, string] => [[...path, 'partition', index, at], word])),
    ...(['every', 'some'] as const).map((key): [YamlPath, string | undefined] => [[...path, 'expect', key], entry.expect?.[key]]),
  ]
  const words = [...new Set(network.nodes.flatMap((node) => [node.name, node.group, node.role]))]
  for (const [place, word] of places) {
    if (word === undefined || namesOf(network, word).length > 0) continue
    found.push(source.complain(place, 'value', 'error', `no node, group or role is called "${word}"`, suggestion(word, words)))
  }
  const { misbehave, how } = entry
  if (misbehave !== undefined && how !== undefined) {
    const wrong = network.nodes.filter((node) => namesOf(network, misbehave).includes(node.name) && (isVoteMisbehaviour(how) ? node.role !== 'authority' : !isRelay(node)))
    if (wrong[0] !== undefined) found.push(source.complain([...path, 'how'], 'value', 'error', `${wrong[0].name} is ${isVoteMisbehaviour(how) ? 'no authority, and has no vote' : 'no relay'}`))
  }
  const check = entry.expect?.check
  if (check !== undefined && !builtInCheckNames.includes(check)) {
    found.push(source.complain([...path, 'expect', 'check'], 'value', 'error', `there is no check "${check}"`, suggestion(check, builtInCheckNames)))
  }
  if (entry.bandwidth !== undefined && (rateOf(entry.bandwidth) ?? 0) <= 0) found.push(source.complain([...path, 'bandwidth'], 'value', 'error', `"${entry.bandwidth}" is no amount of bytes`))
}

function faultOf(entry: EntryFile): Fault | undefined {
  const pair = (ends: readonly string[]): readonly [string, string] => [ends[0] ?? '*', ends[1] ?? '*']
  if (entry.crash !== undefined) return { kind: 'crash', node: entry.crash }
  if (entry.pause !== undefined) return { kind: 'pause', node: entry.pause }
  if (entry.partition !== undefined) return { kind: 'partition', sides: [entry.partition[0] ?? [], entry.partition[1] ?? []] }
  if (entry.slow !== undefined) return { kind: 'slow', ends: pair(entry.slow), latencyMs: ms(entry.latency ?? 0), bytesPerSecond: rateOf(entry.bandwidth) }
  if (entry.drop !== undefined) return { kind: 'drop', ends: pair(entry.drop) }
  if (entry.clock !== undefined) return { kind: 'clock', node: entry.clock, jumpSec: entry.jumpSec ?? 0 }
  if (entry['disk-full'] !== undefined) return { kind: 'disk-full', node: entry['disk-full'] }
  if (entry.misbehave !== undefined && entry.how !== undefined) return { kind: 'misbehave', node: entry.misbehave, how: entry.how, every: typeof entry.every === 'number' ? entry.every : everyUsually }
  return undefined
}

function expectationOf(entry: EntryFile, network: ResolvedNetwork): Expectation | undefined {
  const { expect } = entry
  if (expect === undefined) return undefined
  if (expect.check !== undefined) return { kind: 'check', name: expect.check }
  if (expect.consensus !== undefined) return { kind: 'consensus', running: expect.consensus.running, signatures: expect.consensus.signatures, newer: expect.consensus.newer === true }
  const word = expect.every ?? expect.some
  if (word === undefined || expect.has === undefined) return undefined
  return { kind: 'nodes', which: expect.every === undefined ? 'some' : 'every', names: namesOf(network, word), has: expect.has }
}
