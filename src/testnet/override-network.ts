/**
 * Settings from the command line (`--set relays=20 --set torrc.CircuitPriorityHalflife=1`), written into the text of a
 * network file before anything of it is interpreted: what comes out is a network file like any other, and its complaints
 * are those of the parser, the schema and the lint.
 *
 * `relays=20`, `exit=3`        how many nodes: of a role, or of a group by its name
 * `params.NAME=1`              anything else at the top of the file, by its path
 * `torrc.OPTION=VALUE`         for every node; `GROUP.torrc.OPTION=…` or `NODE.torrc.OPTION=…` for some
 * `GROUP.region=us`            any other setting of a group or node
 */

import { LineCounter, isMap, isScalar, isSeq, parse as parseYaml, parseDocument, type Document, type YAMLMap } from 'yaml'
import schema from '../../networks/network.schema.json' with { type: 'json' }
import { RelishError } from '../core/base/errors.ts'
import { suggestion } from '../core/base/nearest.ts'

const roles: Readonly<Record<string, string>> = Object.freeze({
  authority: 'authority', authorities: 'authority', relay: 'relay', relays: 'relay', exit: 'exit', exits: 'exit', client: 'client', clients: 'client',
})

/** What a path of the file may begin with. Lists of groups are reached by the groups' names. */
const sections: readonly string[] = Object.freeze(Object.keys(schema.properties).filter((name) => name !== 'nodes'))

interface Group {
  readonly map: YAMLMap
  readonly role: string
  readonly name: string
  readonly count: number | undefined
}

/** The text with the settings in it; as it was if there are none, or if it is not a network file at all. Throws `config` for a setting that leads nowhere. */
export function overrideNetworkText(text: string, settings: readonly string[]): string {
  if (settings.length === 0) return text
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: false, merge: true })
  // The parser says what is wrong with it, better than we could here.
  if (document.errors.length > 0 || !isMap(document.contents)) return text
  for (const setting of settings) override(document, setting)
  return document.toString({ lineWidth: 0 })
}

function override(document: Document, setting: string): void {
  const at = setting.indexOf('=')
  if (at <= 0) throw new RelishError('config', `--set ${setting}: a setting is NAME=VALUE`, { hint: 'as in --set relays=20, --set params.circwindow=500, --set torrc.LogTimeGranularity=1' })
  const path = setting.slice(0, at).trim().split('.')
  const value = setting.slice(at + 1).trim()
  const [first = '', ...rest] = path
  const groups = groupsOf(document)
  if (first === 'torrc') {
    setEverywhere(document, groups, optionOf(rest, setting), value)
  } else if (sections.includes(first)) {
    document.setIn(path, first === 'checks' ? document.createNode(value.split(',').map((name) => name.trim())) : typed(value))
  } else if (rest.length === 0) {
    setCount(document, groups, first, typed(value), setting)
  } else {
    setOfNodes(document, groups, first, rest, value, setting)
  }
}

/** A value has the type that its text has in YAML. */
function typed(value: string): unknown {
  try {
    const parsed: unknown = parseYaml(value)
    return parsed ?? value
  } catch {
    return value
  }
}

function groupsOf(document: Document): Group[] {
  const nodes = document.get('nodes')
  if (!isSeq(nodes)) return []
  return nodes.items.filter(isMap).map((map) => {
    const role = String(map.get('role'))
    const count = map.get('count')
    return { map, role, name: String(map.get('name') ?? role), count: typeof count === 'number' ? count : undefined }
  })
}

/** Of a group by its name, or of the only group of a role. A role that the network does not have gets a group. */
function setCount(document: Document, groups: readonly Group[], word: string, count: unknown, setting: string): void {
  const role = roles[word]
  const named = groups.filter((group) => group.name === word)
  const found = named.length > 0 ? named : groups.filter((group) => group.role === role)
  const [group, another] = found
  if (another !== undefined) {
    throw new RelishError('config', `--set ${setting}: the network has ${found.length} groups of this role`, { hint: `name one: ${found.map((one) => one.name).join(', ')}` })
  }
  if (group === undefined) {
    if (role === undefined) throw unknownName(word, [...groups.map((one) => one.name), ...Object.keys(roles), ...sections, 'torrc'], setting)
    if (count !== 0) document.addIn(['nodes'], document.createNode({ role, count }, { flow: true }))
    return
  }
  if (count === 0) {
    const nodes = document.get('nodes')
    if (isSeq(nodes)) nodes.items = nodes.items.filter((item) => item !== group.map)
    return
  }
  group.map.set('count', count)
  // Nodes that are gone need no settings.
  const each = group.map.get('each')
  if (!isMap(each) || typeof count !== 'number') return
  each.items = each.items.filter(({ key }) => !namesOf(group).slice(count).includes(String(isScalar(key) ? key.value : key)))
}

const namesOf = (group: Group): string[] => Array.from({ length: group.count ?? 0 }, (_, index) => `${group.name}${index + 1}`)

/** A setting of a group or of one node, by its name. */
function setOfNodes(document: Document, groups: readonly Group[], word: string, path: readonly string[], value: string, setting: string): void {
  const group = groups.find((one) => one.name === word)
  const owner = group ?? groups.find((one) => namesOf(one).includes(word))
  if (owner === undefined) throw unknownName(word, [...groups.map((one) => one.name), ...sections, 'torrc'], setting)
  const place = group === undefined ? ['each', word] : []
  if (path[0] === 'torrc') setOption(document, owner.map, [...place, 'torrc'], optionOf(path.slice(1), setting), value)
  else owner.map.setIn([...place, ...path], typed(value))
}

function optionOf(path: readonly string[], setting: string): string {
  const [option, ...more] = path
  if (option === undefined || more.length > 0) throw new RelishError('config', `--set ${setting}: after "torrc" comes the name of one option`, { hint: 'as in --set torrc.LogTimeGranularity=1' })
  return option
}

/** The command line has the last word: what groups and nodes say of the option goes. */
function setEverywhere(document: Document, groups: readonly Group[], option: string, value: string): void {
  for (const group of groups) {
    removeOption(group.map, ['torrc'], option)
    const each = group.map.get('each')
    if (isMap(each)) for (const { key } of each.items) removeOption(group.map, ['each', isScalar(key) ? key.value : key, 'torrc'], option)
  }
  if (isMap(document.contents)) setOption(document, document.contents, ['defaults', 'torrc'], option, value)
}

function setOption(document: Document, owner: YAMLMap, path: readonly unknown[], option: string, value: string): void {
  const torrc = owner.getIn(path)
  if (typeof torrc === 'string') {
    owner.setIn(path, `${withoutOption(torrc, option).trimEnd()}\n${option} ${value}\n`)
    return
  }
  removeOption(owner, path, option)
  if (isMap(torrc)) torrc.set(option, value)
  else owner.setIn(path, document.createNode({ [option]: value }))
}

function removeOption(owner: YAMLMap, path: readonly unknown[], option: string): void {
  const torrc = owner.getIn(path)
  if (typeof torrc === 'string') owner.setIn(path, withoutOption(torrc, option))
  if (isMap(torrc)) torrc.items = torrc.items.filter(({ key }) => String(isScalar(key) ? key.value : key).toLowerCase() !== option.toLowerCase())
}

const withoutOption = (torrc: string, option: string): string =>
  torrc
    .split('\n')
    .filter((line) => line.trim().split(/\s+/)[0]?.toLowerCase() !== option.toLowerCase())
    .join('\n')

function unknownName(word: string, known: readonly string[], setting: string): RelishError {
  const names = [...new Set(known)]
  return new RelishError('config', `--set ${setting}: there is no "${word}" in this network`, { hint: [...suggestion(word, names), `there are: ${names.join(', ')}`].join(' ') })
}
