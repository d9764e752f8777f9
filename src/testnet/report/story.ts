/** The story of a bundle: what failed, what each node that has to do with it was doing, and what the likely cause is. */

import type { CircuitInspection } from '../../runtime/events.ts'
import type { Bundle } from './bundle.ts'
import type { CapturedNode } from './capture.ts'

export interface Story {
  readonly failed: readonly string[]
  readonly nodes: readonly { readonly name: string; readonly doing: readonly string[] }[]
  readonly causes: readonly string[]
}

/** Events of this long before a failure are looked at for its cause. */
const lookBackMs = 15_000
/** A circuit that is not built by then is stuck. */
const slowBuildMs = 5000
const nodesTold = 12

export function storyOf(bundle: Bundle): Story {
  return { failed: failedOf(bundle), nodes: involved(bundle).map((name) => ({ name, doing: doingOf(bundle, name) })), causes: causesOf(bundle) }
}

function failedOf(bundle: Bundle): string[] {
  return [
    ...(bundle.error === undefined ? [] : [`the network did not come up: ${bundle.error}`]),
    ...bundle.failures.map((one) => `${one.check}: ${one.reason}${one.expected === undefined ? '' : `; expected ${one.expected}, found ${one.found ?? ''}`}${one.flaky === true ? ' (and passed when it was tried again)' : ''}`),
    ...bundle.observations.map((seen) => `observers saw ${seen.kind}${seen.times === undefined ? '' : ` ${seen.times} times`}: ${seen.words}`),
  ]
}

const nameOf = (bundle: Bundle, fingerprint: string): string =>
  bundle.captured.flatMap(({ nodes }) => Object.entries(nodes)).find(([, node]) => node.inspection?.fingerprint === fingerprint)?.[0] ?? `${fingerprint.slice(0, 8)}…`

/** Nodes that the failures name, those on open circuits with streams, and those that are not well. */
function involved(bundle: Bundle): string[] {
  const words = failedOf(bundle).join('\n')
  const all = bundle.nodes.map((node) => node.name)
  const named = all.filter((name) => new RegExp(`(^|[^A-Za-z0-9])${name}($|[^A-Za-z0-9])`).test(words))
  const [first] = bundle.captured
  const unwell = all.filter((name) => {
    const node = first?.nodes[name]
    return node !== undefined && (node.status.state.kind !== 'running' || node.status.stage !== 'ready' || node.inspection === undefined)
  })
  const onPaths = named.flatMap((name) => circuitsWithStreams(first?.nodes[name]).flatMap((circuit) => (circuit.path ?? []).map((hop) => nameOf(bundle, hop))))
  return [...new Set([...named, ...unwell, ...onPaths.filter((name) => all.includes(name))])].slice(0, nodesTold)
}

const circuitsWithStreams = (node: CapturedNode | undefined): readonly CircuitInspection[] => node?.inspection?.circuits.filter((circuit) => circuit.role === 'origin' && circuit.streams.length > 0) ?? []

function doingOf(bundle: Bundle, name: string): string[] {
  const [first] = bundle.captured
  const node = first?.nodes[name]
  if (node === undefined) return ['nothing is known of it']
  const { status, inspection } = node
  const lines = [stateWords(node)]
  if (inspection !== undefined) {
    const open = inspection.circuits.filter((circuit) => circuit.state === 'open').length
    const building = inspection.circuits.filter((circuit) => circuit.state === 'building').length
    lines.push(`${inspection.channels.length} links; circuits: ${open} open, ${building} being built`)
    for (const circuit of circuitsWithStreams(node)) {
      const path = (circuit.path ?? []).map((hop) => nameOf(bundle, hop)).join(' → ')
      for (const stream of circuit.streams) lines.push(`stream to ${stream.target} (${stream.state}, ${stream.bytesWritten} bytes out, ${stream.bytesRead} in) on circuit ${circuit.id} through ${path}`)
    }
    const newest = [...inspection.consensus].sort((a, b) => b.validAfter - a.validAfter)[0]
    if (newest === undefined) lines.push('it holds no consensus')
  }
  for (const warning of status.warnings.slice(-3)) lines.push(`it said: ${warning}`)
  return lines
}

function stateWords({ status, inspection }: CapturedNode): string {
  switch (status.state.kind) {
    case 'died':
      return `had ended by itself: ${status.state.reason}`
    case 'stopped':
      return 'was stopped'
    case 'configured':
      return 'was never started'
    case 'running':
      return `ran, at stage ${status.stage}${status.waitingFor === undefined ? '' : `, waiting for ${status.waitingFor}`}${inspection === undefined ? ', and did not answer' : ''}`
  }
}

/** The most telling first. Each is a statement about what is in the bundle, not a guess about code. */
function causesOf(bundle: Bundle): string[] {
  const causes: string[] = []
  const seen = (kind: Bundle['observations'][number]['kind']): readonly Bundle['observations'][number][] => bundle.observations.filter((one) => one.kind === kind)
  for (const one of seen('internal-error')) causes.push(`${one.node ?? 'a node'} broke: ${firstLine(one.words)}`)
  for (const one of seen('died')) causes.push(`${firstLine(one.words)}: what was on its circuits went with it`)
  const [first] = bundle.captured
  const entries = Object.entries(first?.nodes ?? {})
  for (const [name, { status, inspection }] of entries) {
    if (status.state.kind === 'died' && !causes.some((cause) => cause.includes(name))) causes.push(`${name} had ended by itself: ${firstLine(status.state.reason)}`)
    if (status.state.kind === 'running' && inspection === undefined) causes.push(`${name} ran, and did not answer: its event loop was busy or blocked`)
    if (inspection !== undefined && inspection.channels.length === 0 && status.stage !== 'starting' && status.stage !== 'keys') causes.push(`${name} had no link to anybody`)
  }
  causes.push(...consensusCauses(bundle))
  for (const [name, { inspection }] of entries) {
    for (const circuit of inspection?.circuits ?? []) {
      if (circuit.role === 'origin' && circuit.state === 'building' && circuit.ageMs > slowBuildMs) {
        causes.push(`circuit ${circuit.id} of ${name} through ${(circuit.path ?? []).map((hop) => nameOf(bundle, hop)).join(' → ')} was being built for ${(circuit.ageMs / 1000).toFixed(0)} s: a relay on it does not answer`)
      }
    }
  }
  const stopped = entries.filter(([, node]) => node.status.state.kind === 'stopped').map(([name]) => name)
  if (stopped.length > 0) causes.push(`${stopped.join(', ')} ${stopped.length === 1 ? 'was' : 'were'} stopped at that moment, by the check that failed or by one before it`)
  const told = new Set<(typeof bundle.timeline)[number]>()
  for (const failure of bundle.failures) {
    const near = bundle.timeline.filter((entry) => entry.atMs <= failure.atMs && entry.atMs >= failure.atMs - lookBackMs && /^(warn|error):/.test(entry.what) && !told.has(entry))
    for (const entry of near.slice(-3)) told.add(entry)
    for (const entry of near.slice(-3)) causes.push(`${((failure.atMs - entry.atMs) / 1000).toFixed(1)} s before ${failure.check} failed, ${entry.who} said: ${entry.what}`)
  }
  for (const kind of ['leaked-process', 'leaked-port', 'leaked-file', 'memory', 'warning'] as const) for (const one of seen(kind).slice(0, 3)) causes.push(firstLine(one.words))
  return [...new Set(causes)]
}

function consensusCauses(bundle: Bundle): string[] {
  const [first] = bundle.captured
  const authorities = bundle.nodes.filter((node) => node.role === 'authority').map((node) => node.name)
  const running = authorities.filter((name) => first?.nodes[name]?.status.state.kind === 'running')
  const causes: string[] = []
  const needed = Math.floor(authorities.length / 2) + 1
  if (first !== undefined && running.length < needed) causes.push(`${running.length} of ${authorities.length} authorities ran, and a consensus takes ${needed}: there could be no new one`)
  const digests = new Map<string, string[]>()
  for (const name of running) {
    const newest = [...(first?.nodes[name]?.inspection?.consensus ?? [])].filter((one) => one.flavour === 'microdesc').sort((a, b) => b.validAfter - a.validAfter)[0]
    if (newest !== undefined) digests.set(`${newest.validAfter} ${newest.digest}`, [...(digests.get(`${newest.validAfter} ${newest.digest}`) ?? []), name])
  }
  if (digests.size > 1) causes.push(`the authorities held different consensuses: ${[...digests].map(([key, names]) => `${names.join(', ')} ${new Date(Number(key.split(' ')[0])).toISOString().slice(11, 19)}`).join('; ')}`)
  return causes
}

const firstLine = (text: string): string => text.split('\n')[0] ?? text
