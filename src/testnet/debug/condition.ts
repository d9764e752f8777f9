/**
 * Conditions on events of a trace, as `--break` takes them.
 *
 *     cell.command == EXTENDED2 && node == client1
 *
 * A field is named as in docs/TRACE.md: `event`, `node`, `t` (microseconds), `circuit`, `body.reason`. In front of it may
 * stand what kind of event it is of, the part of `event` before its first dot: `circuit.purpose` is the field `purpose` of
 * events `circuit.…`; `cell.` also takes `relay.…`, the cells of circuits. A field by itself is true where it is there and
 * not false. Comparisons: `==` and `!=` of texts (of lists: whether one of them is), `<`, `<=`, `>` and `>=` of numbers.
 * One with a field that an event does not have is false. They are joined by `&&`, `||`, `!` and parentheses. Words of
 * letters, digits, dots and `_` need no quotes on the right side.
 */

import jsep, { type Expression } from 'jsep'
import { RelishError } from '../../core/base/errors.ts'
import { conditionCharsMax } from '../limits.ts'

/** An event of a trace, as read from its line. */
export interface TracedEvent {
  readonly event: string
  readonly node: string
  /** Microseconds. */
  readonly t: number
  readonly [field: string]: unknown
}

export type Condition = (event: TracedEvent) => boolean

/** Throws `config` for what is no condition. */
export function parseCondition(text: string): Condition {
  if (text.length > conditionCharsMax) throw new RelishError('config', `a condition has at most ${conditionCharsMax} characters`)
  try {
    return compile(jsep(text))
  } catch (thrown) {
    throw new RelishError('config', `--break ${text}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { hint: "as in --break 'cell.command == EXTENDED2 && node == client1'" })
  }
}

type Node = Expression & { readonly [part: string]: unknown }

const part = (node: Node, name: string): Node => node[name] as Node

function compile(node: Node): Condition {
  if (node.type === 'UnaryExpression' && node['operator'] === '!') {
    const inner = compile(part(node, 'argument'))
    return (event) => !inner(event)
  }
  if (node.type === 'BinaryExpression' || node.type === 'LogicalExpression') {
    const operator = String(node['operator'])
    if (operator === '&&' || operator === '||') {
      const [left, right] = [compile(part(node, 'left')), compile(part(node, 'right'))]
      return operator === '&&' ? (event) => left(event) && right(event) : (event) => left(event) || right(event)
    }
    const compare = comparisons[operator]
    if (compare === undefined) throw new Error(`"${operator}" is not known here; there are ${Object.keys(comparisons).join(' ')} && || !`)
    const path = pathOf(part(node, 'left'))
    const value = valueOf(part(node, 'right'))
    return (event) => {
      const field = fieldOf(event, path)
      return field !== undefined && compare(field, value)
    }
  }
  const path = pathOf(node)
  return (event) => {
    const field = fieldOf(event, path)
    return field !== undefined && field !== false
  }
}

const isOneOf = (field: unknown, value: string | number): boolean => (Array.isArray(field) ? field.some((one) => String(one) === String(value)) : String(field) === String(value))

const comparisons: Readonly<Record<string, (field: unknown, value: string | number) => boolean>> = Object.freeze({
  '==': isOneOf,
  '!=': (field, value) => !isOneOf(field, value),
  '<': (field, value) => Number(field) < Number(value),
  '<=': (field, value) => Number(field) <= Number(value),
  '>': (field, value) => Number(field) > Number(value),
  '>=': (field, value) => Number(field) >= Number(value),
})

/** `a.b.c` as its parts. */
function pathOf(node: Node): readonly string[] {
  if (node.type === 'Identifier') return [String(node['name'])]
  if (node.type === 'MemberExpression' && node['computed'] !== true) return [...pathOf(part(node, 'object')), String(part(node, 'property')['name'])]
  throw new Error('a field was expected: a name, or names with dots between them')
}

function valueOf(node: Node): string | number {
  if (node.type === 'Literal' && (typeof node['value'] === 'string' || typeof node['value'] === 'number')) return node['value']
  if (node.type === 'Literal') return String(node['value'])
  if (node.type === 'UnaryExpression' && node['operator'] === '-') return -Number(valueOf(part(node, 'argument')))
  return pathOf(node).join('.')
}

function fieldOf(event: TracedEvent, path: readonly string[]): unknown {
  const [first = '', ...rest] = path
  const own = event[first]
  if (rest.length === 0) return own
  if (typeof own === 'object' && own !== null) return inside(own, rest)
  const kind = event.event.slice(0, event.event.indexOf('.'))
  return kind === first || (first === 'cell' && kind === 'relay') ? inside(event, rest) : undefined
}

function inside(value: unknown, path: readonly string[]): unknown {
  let at = value
  for (const name of path) at = typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined
  return at
}
