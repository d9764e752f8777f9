import { describe, expect, test } from 'vitest'
import { layers } from './layers.ts'
import { cliOnly, importTable, noErrorNames, noLooseEnds, noModuleState, purity, rules, strictTypes, type Rule } from './rules.ts'
import { importsOf, parseSource, readSources } from './source.ts'

const sources = readSources()

describe('the source tree', () => {
  for (const [name, rule] of Object.entries(rules)) {
    test(name, () => {
      expect(sources.flatMap((file) => rule(file))).toEqual([])
    })
  }

  test('no file is dead: each is an entry point or imported by another', () => {
    const imported = new Set(sources.flatMap((file) => importsOf(file).map((item) => item.target)))
    const entries = /^cli\/(relish|relish-tor|relish-gencert)\.ts$|^runtime\/index\.ts$|^seam\/core-seam\.ts$|^library\/(index|vitest|node-test)\.ts$/
    const dead = sources.map((file) => file.path).filter((path) => !imported.has(path) && !entries.test(path))
    expect(dead).toEqual([])
  })

  test('the import table has no cycle', () => {
    const visit = (name: string, trail: readonly string[]): void => {
      expect(trail, `cycle: ${[...trail, name].join(' -> ')}`).not.toContain(name)
      for (const next of layers[name]?.mayImport ?? []) visit(next, [...trail, name])
    }
    // Each row names lower rows only, so a depth-first walk from the small rows ends quickly.
    for (const name of Object.keys(layers)) for (const next of layers[name]?.mayImport ?? []) expect(layers[next]?.mayImport ?? []).not.toContain(name)
    visit('core/path', [])
  })
})

describe('each rule finds what it is for', () => {
  const breaches: readonly (readonly [string, Rule, string, string])[] = [
    ['an upward import', importTable, 'core/cell/a.ts', "import { x } from '../netdoc/b.ts'"],
    ['a node module in the core', importTable, 'core/cell/a.ts', "import net from 'node:net'"],
    ['host importing sim', importTable, 'host/a.ts', "import { x } from '../sim/b.ts'"],
    ['a folder without a row', importTable, 'extra/a.ts', 'export const a = 1'],
    ['the clock', purity, 'core/cell/a.ts', 'export const now = () => Date.now()'],
    ['new Date()', purity, 'node/a.ts', 'export const now = () => new Date()'],
    ['randomness', purity, 'core/crypto/a.ts', "import { randomBytes } from 'node:crypto'; export const r = () => randomBytes(1)"],
    ['async', purity, 'node/a.ts', 'export const f = async () => 1'],
    ['a promise type', purity, 'core/cell/a.ts', 'export type F = () => Promise<void>'],
    ['a timer', purity, 'node/a.ts', 'export const f = () => setTimeout(f, 1)'],
    ['a module variable', noModuleState, 'node/a.ts', 'let count = 0; export const f = () => count++'],
    ['a module map', noModuleState, 'node/a.ts', 'export const m = new Map<string, number>()'],
    ['any', strictTypes, 'core/cell/a.ts', 'export const f = (x: any) => x'],
    ['a non-null assertion', strictTypes, 'core/cell/a.ts', 'export const f = (x?: number) => x!'],
    ['an enum', strictTypes, 'core/cell/a.ts', 'export enum E { A }'],
    ['comparing a message', noErrorNames, 'node/a.ts', "export const f = (error: Error) => error.message === 'x'"],
    ['looking into a message', noErrorNames, 'node/a.ts', "export const f = (e: Error) => e.message.includes('x')"],
    ['the environment', cliOnly, 'host/a.ts', 'export const home = () => process.env.HOME'],
    ['a loose end', noLooseEnds, 'node/a.ts', '// FIXME later'],
  ]
  for (const [name, rule, path, text] of breaches) {
    test(name, () => {
      expect(rule(parseSource(path, text))).toHaveLength(1)
    })
  }
})
