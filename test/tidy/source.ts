/** Reads the source tree as syntax, for the tests of its structure. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { parseSync } from 'oxc-parser'
import { layers } from './layers.ts'

export const root = join(import.meta.dirname, '..', '..')

export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

export interface SourceFile {
  /** Path below `src`, with `/`. */
  readonly path: string
  readonly text: string
  /** The row of the import table this file belongs to; undefined for a folder the table does not know. */
  readonly layer: string | undefined
  readonly program: SyntaxNode
}

export function layerOf(path: string): string | undefined {
  return Object.keys(layers)
    .filter((layer) => path.startsWith(`${layer}/`))
    .sort((a, b) => b.length - a.length)[0]
}

export function parseSource(path: string, text: string): SourceFile {
  const parsed = parseSync(path, text)
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message ?? 'syntax error'}`)
  return { path, text, layer: layerOf(path), program: parsed.program as unknown as SyntaxNode }
}

export function readSources(): SourceFile[] {
  const src = join(root, 'src')
  return (readdirSync(src, { recursive: true }) as string[])
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.split(sep).join('/'))
    .sort()
    .map((name) => parseSource(name, readFileSync(join(src, name), 'utf8')))
}

export function lineOf(file: SourceFile, offset: number): number {
  return file.text.slice(0, offset).split('\n').length
}

/** Calls `visit` for every node below `node`, itself included. */
export function walk(node: unknown, visit: (node: SyntaxNode) => void): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, visit)
    return
  }
  if (typeof node !== 'object' || node === null) return
  const candidate = node as SyntaxNode
  if (typeof candidate.type === 'string') visit(candidate)
  for (const key in candidate) if (key !== 'type' && key !== 'start' && key !== 'end') walk(candidate[key], visit)
}

export interface Import {
  readonly specifier: string
  readonly start: number
  /** Path below `src` for a relative import. */
  readonly target: string | undefined
}

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = []
  walk(file.program, (node) => {
    const isImport = node.type === 'ImportDeclaration' || node.type === 'ExportNamedDeclaration' || node.type === 'ExportAllDeclaration' || node.type === 'ImportExpression'
    const source = node['source'] as SyntaxNode | null | undefined
    if (!isImport || source === null || source === undefined || typeof source['value'] !== 'string') return
    const specifier = source['value']
    const target = specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(file.path), specifier)) : undefined
    found.push({ specifier, start: node.start, target })
  })
  return found
}

export const relativeToRoot = (path: string): string => relative(root, path)
