/** The named limits of the source tree, read from its `limits.ts` files: what docs/LIMITS.md is made of. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'
import { root, type SourceFile, type SyntaxNode } from './source.ts'

export interface Limit {
  /** `DIR_REQUESTS_MAX`, or `simLimits.turnWorkMax` for one in an object. */
  readonly name: string
  readonly value: string
  /** Path below `src`. */
  readonly file: string
  /** What its comment says; empty when it has none. */
  readonly meaning: string
}

export const isLimitsFile = (file: SourceFile): boolean => /(^|[/-])limits\.ts$/.test(file.path)

/** In the order of the file. One without a comment shares that of the one above it. */
export async function limitsOf(file: SourceFile): Promise<Limit[]> {
  const values = (await import(/* @vite-ignore */ join(root, 'src', file.path))) as Record<string, unknown>
  const { comments } = parseSync(file.path, file.text)
  const found: Limit[] = []
  let meaning = ''
  const add = (name: string, value: unknown, start: number, initial: SyntaxNode): void => {
    const own = comments.findLast((comment) => comment.end <= start && file.text.slice(comment.end, start).trim() === '')
    if (own !== undefined) meaning = plain(own.value)
    found.push({ name, value: show(name, value, initial, file.text), file: file.path, meaning })
  }
  for (const statement of file.program['body'] as SyntaxNode[]) {
    if (statement.type !== 'ExportNamedDeclaration') continue
    const declaration = statement['declaration'] as SyntaxNode | null
    if (declaration?.type !== 'VariableDeclaration') continue
    for (const declarator of declaration['declarations'] as SyntaxNode[]) {
      const name = (declarator['id'] as SyntaxNode)['name'] as string
      const initial = declarator['init'] as SyntaxNode
      const properties = objectIn(initial)
      if (properties === undefined) {
        add(name, values[name], statement.start, initial)
        continue
      }
      for (const property of properties) {
        const key = (property['key'] as SyntaxNode)['name'] as string
        add(`${name}.${key}`, (values[name] as Record<string, unknown>)[key], property.start, property['value'] as SyntaxNode)
      }
    }
  }
  return found
}

/** The properties of `{ … }` or `Object.freeze({ … })`. */
function objectIn(initial: SyntaxNode): SyntaxNode[] | undefined {
  const inner = initial.type === 'CallExpression' ? (initial['arguments'] as SyntaxNode[])[0] : initial
  return inner?.type === 'ObjectExpression' ? (inner['properties'] as SyntaxNode[]) : undefined
}

/** A comment as one line of text. */
function plain(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trim())
    .filter((line) => line !== '')
    .join(' ')
}

/** Times are in milliseconds: those made by `seconds(…)` and its like, and those whose name says so. */
function show(name: string, value: unknown, initial: SyntaxNode, text: string): string {
  if (typeof value !== 'number') return String(value)
  const source = text.slice(initial.start, initial['end'] as number)
  if (/^(durationMs|seconds|minutes|hours|days)\(/.test(source) || /Ms$|_MS$/.test(name)) return duration(value)
  if (/bytes/i.test(name) && value >= 1024 && value % 1024 === 0) return value % 1024 ** 2 === 0 ? `${group(value / 1024 ** 2)} MiB` : `${group(value / 1024)} KiB`
  return group(value)
}

function duration(ms: number): string {
  const units = [['days', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1000]] as const
  // The largest unit that gives a whole number of two or more.
  for (const [unit, length] of units) if (ms % length === 0 && ms >= 2 * length) return `${group(ms / length)} ${unit}`
  return ms === 1000 ? '1 s' : `${group(ms)} ms`
}

const group = (value: number): string => (Number.isInteger(value) ? value.toLocaleString('en-US') : String(value))

/** The comment that a file begins with. */
function headOf(file: SourceFile): string {
  const [first] = parseSync(file.path, file.text).comments
  return first?.start === 0 ? plain(first.value) : ''
}

export async function limitsDocument(files: readonly SourceFile[]): Promise<string> {
  const parts = [readFileSync(join(import.meta.dirname, 'limits-head.md'), 'utf8').trimEnd()]
  for (const file of files) {
    const rows = (await limitsOf(file)).map(({ name, value, meaning }) => `| \`${name}\` | ${value} | ${meaning.replaceAll('|', '\\|')} |`)
    parts.push(`## \`src/${file.path}\``, headOf(file), ['| limit | value | what it bounds, and what happens at it |', '| --- | --- | --- |', ...rows].join('\n'))
  }
  return `${parts.join('\n\n')}\n`
}
