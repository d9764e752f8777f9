/**
 * The small part of ed's commands that consensus diffs use (dir-spec appendix E): which lines of a text to delete, change
 * or append, from the last to the first. What the lines mean, and the digests that go with a diff, are in consensus-diff.ts.
 */

import { RelishError } from '../base/errors.ts'
import { maxDiffCommandLength, maxDiffComparisons } from './limits.ts'

/** One place where two texts differ. Lines are counted from zero. */
interface Change {
  readonly start: number
  readonly deleted: number
  readonly added: readonly string[]
}

/** A command as dir-spec appendix E has it: lines are counted from one, and `last` is inclusive. */
interface EdCommand {
  readonly action: 'a' | 'c' | 'd'
  readonly first: number
  readonly last: number
}

/**
 * Commands that make `target` of `base`, both as lines. `keyOf` names the lines by which both are aligned: a name occurs
 * once in each, in the same order. Undefined when the format cannot say it.
 */
export function generateEdCommands(base: readonly string[], target: readonly string[], keyOf: (line: string) => string | undefined): string[] | undefined {
  const commands: string[] = []
  for (const { start, deleted, added } of findChanges(base, target, keyOf).reverse()) {
    const last = start + deleted
    const range = deleted > 1 ? `${start + 1},${last}` : `${start + 1}`
    if (added.length === 0) {
      commands.push(`${range}d`)
      continue
    }
    // A lone dot would end the block.
    if (added.includes('.')) return undefined
    commands.push(deleted === 0 ? `${start}a` : `${range}c`, ...added, '.')
  }
  return commands
}

/** The lines that `commands` make of `base`. Throws `bad-document` for any other command, order or range (dir-spec appendix E). */
export function applyEdCommands(base: readonly string[], commands: readonly string[]): string[] {
  // Built from the last line to the first, as the commands come.
  const reversed: string[] = []
  // Lines of `base` in front of this one are not dealt with yet.
  let left = base.length
  for (let at = 0; at < commands.length; ) {
    const command = parseCommand(commands[at] ?? '', base.length, at)
    at++
    if (command.last > left) throw badDiff(at, 'does not come from back to front')
    const block = command.action === 'd' ? [] : readBlock(commands, at)
    if (command.action !== 'd') at += block.length + 1
    while (left > command.last) reversed.push(base[--left] ?? '')
    for (let i = block.length - 1; i >= 0; i--) reversed.push(block[i] ?? '')
    if (command.action !== 'a') left = command.first - 1
  }
  while (left > 0) reversed.push(base[--left] ?? '')
  return reversed.reverse()
}

function parseCommand(line: string, lines: number, at: number): EdCommand {
  const match = line.length > maxDiffCommandLength ? null : /^(\d+)(?:,(\d+|\$))?([acd])$/.exec(line)
  if (match === null) throw badDiff(at + 1, 'is no command of a consensus diff')
  const action = match[3] as EdCommand['action']
  const first = Number(match[1])
  const end = match[2]
  const last = end === undefined ? first : end === '$' ? lines : Number(end)
  if (end === '$' && action !== 'd') throw badDiff(at + 1, 'has $ with another command than d')
  if (end !== undefined && (action === 'a' || last <= first)) throw badDiff(at + 1, 'has an impossible range')
  if (first === 0 && action !== 'a') throw badDiff(at + 1, 'is about line 0')
  return { action, first, last }
}

/** The lines from `at` to the one that is a dot. */
function readBlock(commands: readonly string[], at: number): readonly string[] {
  const end = commands.indexOf('.', at)
  if (end < 0) throw badDiff(at, 'has a block without an end')
  if (end === at) throw badDiff(at, 'has an empty block')
  return commands.slice(at, end)
}

function badDiff(line: number, words: string): RelishError {
  return new RelishError('bad-document', `command at line ${line} ${words}`, { position: { line } })
}

/** Ascending. Between two lines with a common key, at most a comparison of bounded cost. */
function findChanges(base: readonly string[], target: readonly string[], keyOf: (line: string) => string | undefined): Change[] {
  const changes: Change[] = []
  let baseAt = 0
  let targetAt = 0
  const compareUpTo = (baseEnd: number, targetEnd: number): void => {
    compareLines(base, baseAt, baseEnd, target, targetAt, targetEnd, changes)
    baseAt = baseEnd
    targetAt = targetEnd
  }
  const keyed = new Map<string, number>()
  base.forEach((line, i) => {
    const key = keyOf(line)
    if (key !== undefined) keyed.set(key, i)
  })
  target.forEach((line, i) => {
    const key = keyOf(line)
    const common = key === undefined ? undefined : keyed.get(key)
    // One that is not in the order of the others aligns nothing.
    if (common !== undefined && common >= baseAt) compareUpTo(common, i)
  })
  compareUpTo(base.length, target.length)
  return joinAdjacent(changes)
}

/** Adds what differs between `base[from, to)` and `target[from2, to2)`. */
function compareLines(base: readonly string[], from: number, to: number, target: readonly string[], from2: number, to2: number, changes: Change[]): void {
  while (from < to && from2 < to2 && base[from] === target[from2]) {
    from++
    from2++
  }
  while (from < to && from2 < to2 && base[to - 1] === target[to2 - 1]) {
    to--
    to2--
  }
  const rows = to - from
  const columns = to2 - from2
  if (rows === 0 && columns === 0) return
  if (rows === 0 || columns === 0 || rows * columns > maxDiffComparisons) {
    changes.push({ start: from, deleted: rows, added: target.slice(from2, to2) })
    return
  }
  const lengths = commonLengths(base, from, rows, target, from2, columns)
  // Along a longest common subsequence: what is off it has changed.
  const width = columns + 1
  let row = 0
  let column = 0
  while (row < rows || column < columns) {
    if (row < rows && column < columns && base[from + row] === target[from2 + column]) {
      row++
      column++
      continue
    }
    const below = row < rows ? (lengths[(row + 1) * width + column] ?? 0) : -1
    const beside = column < columns ? (lengths[row * width + column + 1] ?? 0) : -1
    if (below >= beside) changes.push({ start: from + row++, deleted: 1, added: [] })
    else changes.push({ start: from + row, deleted: 0, added: target.slice(from2 + column, from2 + ++column) })
  }
}

/** At `row * (columns + 1) + column`: how many lines the rest of both has in common, in order, from there on. */
function commonLengths(base: readonly string[], from: number, rows: number, target: readonly string[], from2: number, columns: number): Uint32Array {
  const width = columns + 1
  const lengths = new Uint32Array((rows + 1) * width)
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      const here = row * width + column
      lengths[here] =
        base[from + row] === target[from2 + column] ? (lengths[here + width + 1] ?? 0) + 1 : Math.max(lengths[here + width] ?? 0, lengths[here + 1] ?? 0)
    }
  }
  return lengths
}

/** Changes that touch become one, or a later command would be about a line that an earlier one has dealt with. */
function joinAdjacent(changes: readonly Change[]): Change[] {
  const joined: Change[] = []
  for (const change of changes) {
    const previous = joined[joined.length - 1]
    if (previous === undefined || previous.start + previous.deleted < change.start) joined.push(change)
    else joined[joined.length - 1] = { start: previous.start, deleted: previous.deleted + change.deleted, added: [...previous.added, ...change.added] }
  }
  return joined
}
