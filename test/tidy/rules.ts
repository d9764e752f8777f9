/** The rules the design depends on, each a function from a source file to the places that break it. */

import { importsOf, layerOf, lineOf, walk, type SourceFile, type SyntaxNode } from './source.ts'
import { layers } from './layers.ts'

export type Rule = (file: SourceFile) => string[]

const at = (file: SourceFile, node: { start: number }, words: string): string => `src/${file.path}:${lineOf(file, node.start)}: ${words}`

/** `a.b.c` for a chain of plain member accesses. */
function dotted(node: SyntaxNode | undefined): string | undefined {
  if (node === undefined) return undefined
  if (node.type === 'Identifier') return node['name'] as string
  if (node.type !== 'MemberExpression' || node['computed'] === true) return undefined
  const object = dotted(node['object'] as SyntaxNode)
  return object === undefined ? undefined : `${object}.${(node['property'] as SyntaxNode)['name'] as string}`
}

export const importTable: Rule = (file) => {
  if (file.layer === undefined) return [`src/${file.path}: its folder has no row in the import table`]
  const layer = layers[file.layer]
  if (layer === undefined) return []
  const found: string[] = []
  for (const item of importsOf(file)) {
    if (item.target === undefined) {
      const allowed = layer.modules.some((name) => name === '*' || item.specifier === name || item.specifier.startsWith(`${name}/`))
      if (!allowed) found.push(at(file, item, `${file.layer} may not use ${item.specifier}`))
      continue
    }
    if (item.target.startsWith('..') || item.target === 'package.json') continue
    const target = layerOf(item.target)
    if (target === file.layer) continue
    if (target === undefined || !layer.mayImport.includes(target)) found.push(at(file, item, `${file.layer} may not import ${item.target}`))
  }
  return found
}

const bannedNames = new Set(['Date.now', 'Math.random', 'performance.now', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process.nextTick'])
const bannedGlobals = new Set(['process', 'console', 'performance', 'globalThis', 'Promise', 'EventEmitter', 'fetch'])
const bannedCrypto = new Set(['randomBytes', 'randomInt', 'randomUUID', 'randomFillSync', 'randomFill', 'getRandomValues', 'generateKeyPair', 'generateKeyPairSync', 'generateKeySync', 'generateKey', 'generatePrimeSync', 'webcrypto', 'createECDH'])

/** Neither clock, randomness, environment nor asynchrony in the pure layers. */
export const purity: Rule = (file) => {
  if (file.layer === undefined || layers[file.layer]?.pure !== true) return []
  const found: string[] = []
  const declared = new Set<string>()
  walk(file.program, (node) => {
    if (node.type === 'ImportSpecifier') {
      const name = (node['imported'] as SyntaxNode)['name'] as string
      if (bannedCrypto.has(name)) found.push(at(file, node, `${name} draws randomness of its own`))
      declared.add((node['local'] as SyntaxNode)['name'] as string)
    }
  })
  walk(file.program, (node) => {
    if (node.type === 'AwaitExpression' || (node['async'] === true && node.type !== 'Property')) found.push(at(file, node, 'asynchronous code'))
    if (node.type === 'CallExpression' || node.type === 'NewExpression') {
      const callee = node['callee'] as SyntaxNode
      const name = dotted(callee)
      if (name !== undefined && (bannedNames.has(name) || (bannedGlobals.has(name.split('.')[0] ?? '') && !declared.has(name.split('.')[0] ?? '')))) {
        found.push(at(file, node, `${name} is not for pure code`))
      }
      if (node.type === 'NewExpression' && name === 'Date' && (node['arguments'] as unknown[]).length === 0) found.push(at(file, node, 'new Date() reads the clock'))
    }
    if (node.type === 'MemberExpression') {
      const name = dotted(node)
      if (name !== undefined && /^process\./.test(name)) found.push(at(file, node, `${name} is not for pure code`))
    }
    if (node.type === 'TSTypeReference') {
      const name = (node['typeName'] as SyntaxNode)['name']
      if (name === 'Promise') found.push(at(file, node, 'a promise in a signature'))
    }
  })
  return found
}

const mutableMakers = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Array'])

/** No state at module level: no `let`, no collection that can be written. */
export const noModuleState: Rule = (file) => {
  const found: string[] = []
  for (const statement of file.program['body'] as SyntaxNode[]) {
    const declaration = (statement.type === 'ExportNamedDeclaration' ? statement['declaration'] : statement) as SyntaxNode | null
    if (declaration === null || declaration.type !== 'VariableDeclaration') continue
    if (declaration['kind'] !== 'const') found.push(at(file, declaration, 'a variable at module level'))
    for (const declarator of declaration['declarations'] as SyntaxNode[]) {
      const init = declarator['init'] as SyntaxNode | null
      const annotation = JSON.stringify((declarator['id'] as SyntaxNode)['typeAnnotation'] ?? null)
      if (init?.type !== 'NewExpression') continue
      const maker = dotted(init['callee'] as SyntaxNode)
      if (maker !== undefined && mutableMakers.has(maker) && !/"Readonly(Map|Set|Array)"/.test(annotation)) {
        found.push(at(file, declaration, `a module-level ${maker} without a Readonly type`))
      }
    }
  }
  return found
}

/** Neither `any`, `!` nor `enum`. */
export const strictTypes: Rule = (file) => {
  const found: string[] = []
  walk(file.program, (node) => {
    if (node.type === 'TSAnyKeyword') found.push(at(file, node, 'any'))
    if (node.type === 'TSNonNullExpression') found.push(at(file, node, 'a non-null assertion'))
    if (node.type === 'TSEnumDeclaration') found.push(at(file, node, 'an enum'))
  })
  return found
}

/** Errors are told apart by `kind`, never by their words. */
export const noErrorNames: Rule = (file) => {
  const found: string[] = []
  walk(file.program, (node) => {
    if (node.type === 'BinaryExpression' && /^[!=]==?$/.test(node['operator'] as string)) {
      for (const side of [node['left'], node['right']] as SyntaxNode[]) {
        if (side.type !== 'MemberExpression') continue
        const name = dotted(side)
        if (name !== undefined && /(^|\.)(err|error|cause|thrown|reason)\.(name|message)$/i.test(name)) found.push(at(file, node, `compares ${name}`))
      }
    }
    if (node.type === 'CallExpression') {
      const name = dotted(node['callee'] as SyntaxNode)
      if (name !== undefined && /\.message\.(includes|startsWith|match|indexOf)$/.test(name)) found.push(at(file, node, `looks into ${name}`))
    }
  })
  return found
}

/** The process, the console and the environment belong to the command line; the library, which is at the edge too, may read the last. */
export const cliOnly: Rule = (file) => {
  if (file.layer === 'cli' || file.layer === undefined) return []
  const found: string[] = []
  walk(file.program, (node) => {
    if (node.type !== 'MemberExpression') return
    const name = dotted(node)
    if (file.layer === 'library' && name === 'process.env') return
    if (name !== undefined && /^(process\.(exit|env|argv|stdout|stderr)|console\.\w+)$/.test(name)) found.push(at(file, node, `${name} belongs to cli`))
  })
  return found
}

export const noLooseEnds: Rule = (file) => {
  const found: string[] = []
  const lines = file.text.split('\n')
  lines.forEach((line, index) => {
    if (/\b(FIXME|XXX)\b/.test(line)) found.push(`src/${file.path}:${index + 1}: ${line.trim()}`)
  })
  return found
}

export const rules: Readonly<Record<string, Rule>> = {
  'imports follow the table': importTable,
  'pure layers have no clock, randomness or asynchrony': purity,
  'no mutable state at module level': noModuleState,
  'no any, no non-null assertion, no enum': strictTypes,
  'errors are compared by kind': noErrorNames,
  'process and console are used in cli only': cliOnly,
  'no FIXME or XXX': noLooseEnds,
}
