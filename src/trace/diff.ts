/** `relish trace diff`: aligns two traces lane by lane (`lanes.ts`) and tells in what they differ. */

import { diffArrays } from 'diff'
import type { JoinedTrace } from './join.ts'
import { lanesOf, type Lane, type LaneEvent } from './lanes.ts'
import { DIFF_EDITS_MAX } from './limits.ts'

export interface DiffOptions {
  /** Relays go by name; absent: only if both traces have the same keys. */
  readonly named?: boolean
  /** A pause between two events differs when it is longer or shorter by more than this many microseconds … */
  readonly toleranceUs?: number
  /** … and by more than this share of the longer. */
  readonly toleranceShare?: number
}

export type Difference =
  /** An event that only one of the traces has. */
  | { readonly kind: 'only-a' | 'only-b'; readonly lane: string; readonly t: number; readonly node: string; readonly event: string; readonly after: string | undefined }
  /** In one place each has something else. */
  | { readonly kind: 'other'; readonly lane: string; readonly t: number; readonly node: string; readonly a: string; readonly b: string; readonly after: string | undefined }
  /** The same event, sooner or later after the one before it. */
  | { readonly kind: 'timing'; readonly lane: string; readonly t: number; readonly node: string; readonly event: string; readonly after: string; readonly aUs: number; readonly bUs: number }
  /** A node or circuit that only one of the traces has. */
  | { readonly kind: 'lane-only-a' | 'lane-only-b'; readonly lane: string; readonly t: number; readonly events: number }
  /** Too different to be aligned from here on: so many events follow. */
  | { readonly kind: 'unaligned'; readonly lane: string; readonly t: number; readonly aEvents: number; readonly bEvents: number }

export interface TraceDiff {
  /** In the order of time; the first is where the runs part. */
  readonly differences: readonly Difference[]
  /** Kinds of event of which the traces have a different number. */
  readonly counts: readonly { readonly what: string; readonly a: number; readonly b: number }[]
  readonly comparedLanes: number
  readonly comparedEvents: number
  readonly named: boolean
}

export function diffTraces(a: JoinedTrace, b: JoinedTrace, options: DiffOptions = {}): TraceDiff {
  const named = options.named ?? haveSameKeys(a, b)
  const simulated = a.header.world === 'simulated' && b.header.world === 'simulated'
  const toleranceUs = options.toleranceUs ?? (simulated ? 1000 : 50_000)
  const toleranceShare = options.toleranceShare ?? (simulated ? 0.1 : 0.5)
  const differences: Difference[] = []
  const [aLanes, bLanes] = [lanesOf(a, { named }), lanesOf(b, { named })]
  let comparedLanes = 0
  let comparedEvents = 0
  for (const [left, right] of pairLanes(aLanes, bLanes)) {
    if (left !== undefined && right !== undefined) {
      comparedLanes++
      comparedEvents += left.events.length
      compareLanes(left, right, toleranceUs, toleranceShare, differences)
    } else {
      const lane = left ?? right
      if (lane !== undefined && lane.events.length > 0) differences.push({ kind: left === undefined ? 'lane-only-b' : 'lane-only-a', lane: lane.name, t: lane.beganAt, events: lane.events.length })
    }
  }
  // Of one moment, what happened on a circuit comes before what its node made of it.
  differences.sort((x, y) => x.t - y.t || Number(x.lane.startsWith('node ')) - Number(y.lane.startsWith('node ')))
  return { differences, counts: countDifferences(aLanes, bLanes), comparedLanes, comparedEvents, named }
}

/** Whether every node of one that is in the other has the same fingerprint there. */
function haveSameKeys(a: JoinedTrace, b: JoinedTrace): boolean {
  const known = new Map(a.nodes.map((node) => [node.name, node.fingerprint]))
  return b.nodes.every((node) => node.fingerprint === undefined || (known.get(node.name) ?? node.fingerprint) === node.fingerprint)
}

/** Lanes that stand for each other: nodes by name; circuits of one origin, purpose and length in their order, as far as their beginnings agree. */
function pairLanes(a: readonly Lane[], b: readonly Lane[]): [Lane | undefined, Lane | undefined][] {
  const pairs: [Lane | undefined, Lane | undefined][] = []
  const keys = new Set([...a, ...b].map((lane) => lane.key))
  for (const key of keys) {
    const left = a.filter((lane) => lane.key === key)
    const right = b.filter((lane) => lane.key === key)
    // One circuit more or less moves the numbers of all that follow: circuits are aligned by what they do first.
    const changes = diffArrays(left, right, { comparator: (x, y) => x.events[0]?.token === y.events[0]?.token })
    const [removed, added]: [Lane[], Lane[]] = [[], []]
    let [i, j] = [0, 0]
    const settle = (): void => {
      for (let n = 0; n < Math.max(removed.length, added.length); n++) pairs.push([removed[n], added[n]])
      removed.length = 0
      added.length = 0
    }
    for (const change of changes) {
      const count = change.value.length
      if (change.removed) removed.push(...left.slice(i, (i += count)))
      else if (change.added) added.push(...right.slice(j, (j += count)))
      else {
        settle()
        for (let n = 0; n < count; n++) pairs.push([left[i++], right[j++]])
      }
    }
    settle()
  }
  return pairs
}

function compareLanes(a: Lane, b: Lane, toleranceUs: number, toleranceShare: number, differences: Difference[]): void {
  const lane = a.name === b.name ? a.name : `${a.name}, in B ${b.name.replace(/^circuit /, '')}`
  const changes = diffArrays(a.events as LaneEvent[], b.events as LaneEvent[], { comparator: (x, y) => x.token === y.token, maxEditLength: DIFF_EDITS_MAX })
  if (changes === undefined) {
    tellParting(a, b, lane, differences)
    return
  }
  let [i, j] = [0, 0]
  /** The last event that both have. */
  let before: readonly [LaneEvent, LaneEvent] | undefined
  let removed: readonly LaneEvent[] = []
  const tell = (added: readonly LaneEvent[]): void => {
    const after = before?.[0].token
    for (let n = 0; n < Math.max(removed.length, added.length); n++) {
      const [left, right] = [removed[n], added[n]]
      if (left !== undefined && right !== undefined) differences.push({ kind: 'other', lane, t: Math.min(left.t, right.t), node: left.node, a: left.token, b: right.token, after })
      else if (left !== undefined) differences.push({ kind: 'only-a', lane, t: left.t, node: left.node, event: left.token, after })
      else if (right !== undefined) differences.push({ kind: 'only-b', lane, t: right.t, node: right.node, event: right.token, after })
    }
    removed = []
  }
  for (const change of changes) {
    const count = change.value.length
    if (change.removed) {
      removed = a.events.slice(i, (i += count))
      continue
    }
    if (change.added) {
      tell(b.events.slice(j, (j += count)))
      continue
    }
    tell([])
    for (let n = 0; n < count; n++) {
      const pair = [a.events[i++], b.events[j++]] as const
      if (pair[0] === undefined || pair[1] === undefined) return
      const here: readonly [LaneEvent, LaneEvent] = [pair[0], pair[1]]
      const aUs = here[0].t - (before?.[0].t ?? a.beganAt)
      const bUs = here[1].t - (before?.[1].t ?? b.beganAt)
      const offset = Math.abs(aUs - bUs)
      if (before !== undefined && offset > toleranceUs && offset > toleranceShare * Math.max(aUs, bUs)) {
        differences.push({ kind: 'timing', lane, t: Math.min(here[0].t, here[1].t), node: here[0].node, event: here[0].token, after: before[0].token, aUs, bUs })
      }
      before = here
    }
  }
  tell([])
}

/** Where two lanes part that have little in common afterwards. */
function tellParting(a: Lane, b: Lane, lane: string, differences: Difference[]): void {
  let at = 0
  while (at < a.events.length && a.events[at]?.token === b.events[at]?.token) at++
  const [left, right] = [a.events[at], b.events[at]]
  const after = a.events[at - 1]?.token
  const t = Math.min(left?.t ?? Number.POSITIVE_INFINITY, right?.t ?? Number.POSITIVE_INFINITY)
  if (left !== undefined && right !== undefined) differences.push({ kind: 'other', lane, t, node: left.node, a: left.token, b: right.token, after })
  else if (left !== undefined) differences.push({ kind: 'only-a', lane, t, node: left.node, event: left.token, after })
  else if (right !== undefined) differences.push({ kind: 'only-b', lane, t, node: right.node, event: right.token, after })
  differences.push({ kind: 'unaligned', lane, t, aEvents: a.events.length - at, bEvents: b.events.length - at })
}

/** Events by what they are, without their numbers, counted over all lanes. */
function countDifferences(a: readonly Lane[], b: readonly Lane[]): TraceDiff['counts'] {
  const count = (lanes: readonly Lane[]): Map<string, number> => {
    const counts = new Map<string, number>()
    const add = (what: string, by: number): void => void counts.set(what, (counts.get(what) ?? 0) + by)
    for (const lane of lanes) {
      for (const { token } of lane.events) {
        const cells = / (sends|receives) ([A-Z_0-9]+)/.exec(token)
        const many = / ×(\d+)$/.exec(token)
        if (cells !== null) add(`${cells[1] === 'sends' ? 'sent' : 'received'} ${cells[2]}`, many === null ? 1 : Number(many[1]))
        else if (lane.name.startsWith('circuit ')) add(token.replace(/^(origin|hop \d+) /, 'circuit ').replace(/stream \d+/, 'stream').replace(/:.*$/, ''), 1)
        else add(token.replace(/:.*$/, ''), 1)
      }
    }
    return counts
  }
  const [left, right] = [count(a), count(b)]
  return [...new Set([...left.keys(), ...right.keys()])].sort()
    .map((what) => ({ what, a: left.get(what) ?? 0, b: right.get(what) ?? 0 }))
    .filter((one) => one.a !== one.b)
}
