/** What docs/API.md is made of: the declarations of what the package exports, with their comments. */

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseSync } from 'oxc-parser'
import type { SyntaxNode } from './source.ts'

interface Module {
  readonly path: string
  readonly text: string
  readonly body: readonly SyntaxNode[]
  readonly comments: readonly { readonly start: number; readonly end: number; readonly value: string }[]
}

interface Declaration {
  readonly name: string
  readonly kind: 'function' | 'class' | 'interface' | 'type'
  readonly node: SyntaxNode
  readonly module: Module
  /** The comment in front of it. */
  readonly doc: string
}

/** `types`: a folder of declarations as the build makes it. */
export function apiDocument(types: string): string {
  const modules = new Map<string, Module>()
  const load = (path: string): Module => {
    const known = modules.get(path)
    if (known !== undefined) return known
    const text = readFileSync(join(types, path), 'utf8')
    const parsed = parseSync(path, text)
    const module: Module = { path, text, body: parsed.program.body as unknown as SyntaxNode[], comments: parsed.comments }
    modules.set(path, module)
    return module
  }
  const main = declarationsOf(load('library/index.d.ts'), load)
  const parts = [readFileSync(join(import.meta.dirname, 'api-head.md'), 'utf8').trimEnd()]
  for (const [title, kind] of [['Functions', 'function'], ['Network and what it has', 'interface'], ['Errors', 'class'], ['Types', 'type']] as const) {
    parts.push(`## ${title}`, ...main.filter((one) => one.kind === kind).map(render))
  }
  for (const name of ['vitest', 'node-test']) {
    const module = load(`library/${name}.d.ts`)
    parts.push(`## tor-relish/${name}`, headOf(module), ...declarationsOf(module, load).filter((one) => one.module === module).map(render))
  }
  return `${parts.join('\n\n')}\n`
}

/** What every exported thing needs: a comment. */
export function undocumented(types: string): string[] {
  return [...apiDocument(types).matchAll(/^### (.*)\n\n```/gm)].map((match) => match[1] ?? '')
}

function declarationsOf(module: Module, load: (path: string) => Module): Declaration[] {
  const found: Declaration[] = []
  const add = (from: Module, names: readonly string[] | undefined): void => {
    for (const statement of from.body) {
      if (statement.type !== 'ExportNamedDeclaration') continue
      const node = statement['declaration'] as SyntaxNode | null
      if (node === null) continue
      const name = ((node['id'] as SyntaxNode | null)?.['name'] ?? '') as string
      if (names !== undefined && !names.includes(name)) continue
      const kind = kindOf(node)
      if (kind !== undefined) found.push({ name, kind, node, module: from, doc: commentBefore(from, statement.start) })
    }
  }
  add(module, undefined)
  for (const statement of module.body) {
    const source = (statement['source'] as SyntaxNode | null | undefined)?.['value'] as string | undefined
    if (source === undefined || !source.startsWith('.')) continue
    const target = load(join(dirname(module.path), source.replace(/\.js$/, '.d.ts')))
    if (statement.type === 'ExportAllDeclaration') add(target, undefined)
    if (statement.type === 'ExportNamedDeclaration') add(target, (statement['specifiers'] as SyntaxNode[]).map((one) => (one['local'] as SyntaxNode)['name'] as string))
  }
  return found
}

function kindOf(node: SyntaxNode): Declaration['kind'] | undefined {
  switch (node.type) {
    case 'TSDeclareFunction':
      return 'function'
    case 'ClassDeclaration':
      return 'class'
    case 'TSInterfaceDeclaration':
      return 'interface'
    case 'TSTypeAliasDeclaration':
      return 'type'
    default:
      return undefined
  }
}

function render(one: Declaration): string {
  const { node, module } = one
  const heading = `### ${one.name}`
  const doc = one.doc === '' ? [] : [prose(one.doc)]
  if (one.kind === 'function' || one.kind === 'type') return [heading, ...doc, fence(module.text.slice(node.start, node['end'] as number).replace(/^(export )?(declare )?/, ''))].join('\n\n')
  const body = (node['body'] as SyntaxNode)['body'] as SyntaxNode[]
  const head = module.text.slice(node.start, (node['body'] as SyntaxNode).start).replace(/^(export )?(declare )?/, '').trim()
  const members = body.filter((member) => !/^(#|private)/.test(textOf(module, member))).map((member) => {
    const comment = commentBefore(module, member.start)
    return `- \`${textOf(module, member)}\`${comment === '' ? '' : `  \n  ${prose(comment).replaceAll('\n', '\n  ')}`}`
  })
  return [heading, ...doc, fence(head), ...(members.length === 0 ? [] : [members.join('\n')])].join('\n\n')
}

/** A member as one line. */
const textOf = (module: Module, member: SyntaxNode): string => module.text.slice(member.start, member['end'] as number).replace(/;$/, '').replace(/^readonly /, '').replace(/\/\*\*.*?\*\/\s*/gs, '').replace(/\s+/g, ' ')

const fence = (code: string): string => `\`\`\`ts\n${code}\n\`\`\``

/** A comment's text: without its stars, `@example` as such. */
function prose(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim()
    .replace(/^@example$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
}

function commentBefore(module: Module, start: number): string {
  const comment = module.comments.findLast((one) => one.end <= start && module.text.slice(one.end, start).trim() === '')
  return comment?.value.startsWith('*') === true ? comment.value.slice(1) : ''
}

function headOf(module: Module): string {
  const [first] = module.comments
  return first === undefined ? '' : prose(first.value.slice(1))
}
