/** What C tor dumps of a torrc, we dump: syntax, units, aliases and all defaults at once. */

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseConfigText } from '../../../src/core/torrc/config-line.ts'
import { buildConfig, type TorConfig } from '../../../src/core/torrc/config.ts'
import { dumpConfig } from '../../../src/core/torrc/dump.ts'

const folder = join(import.meta.dirname, '../../vectors/tor-dump-config')
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const configOf = (name: string): TorConfig =>
  buildConfig([parseConfigText(read(`${name}.torrc`), name), parseConfigText('DataDirectory /nonexistent/data')])

const names = readdirSync(folder).filter((name) => name.endsWith('.torrc')).map((name) => name.replace('.torrc', ''))

describe('short dumps are those of C tor', () => {
  test.each(names)('%s', (name) => {
    expect(dumpConfig(configOf(name), 'short')).toBe(read(`${name}.short`).trimEnd() + '\n')
  })
})

test('every default of C tor is ours', () => {
  const ours = new Map(dumpConfig(configOf('defaults'), 'full').trimEnd().split('\n').map((line) => [line.split(' ')[0], line]))
  for (const line of read('defaults.full').trimEnd().split('\n')) {
    const option = line.split(' ')[0] ?? ''
    // C tor has a database of countries.
    if (option.startsWith('GeoIP')) continue
    expect(ours.get(option) ?? `${option} is missing`).toBe(line)
  }
})

test('a dump read again gives the same dump', () => {
  for (const name of names) {
    const config = configOf(name)
    for (const form of ['short', 'full'] as const) {
      const text = dumpConfig(config, form)
      expect(dumpConfig(buildConfig([parseConfigText(text)]), form)).toBe(text)
    }
  }
})
