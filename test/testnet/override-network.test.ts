/** `--set`: settings of the command line, in the network file's own words. */

import { describe, expect, test } from 'vitest'
import type { RelishError } from '../../src/core/base/errors.ts'
import { formatDuration, parseDuration } from '../../src/testnet/duration.ts'
import { NetworkFileError } from '../../src/testnet/diagnostic.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'

const text = `# kept
defaults: { torrc: { BandwidthRate: 1 MB } }
nodes:
  - { role: authority, name: auth, count: 3 }
  - role: exit
    count: 2
    torrc: |
      # a block
      bandwidthrate 2 MB
    each: { exit2: { torrc: { BandwidthRate: 3 MB } } }
  - { role: client, name: alice }
`
const load = (...settings: string[]) => loadNetworkText(text, '/nowhere/net.yaml', {}, settings)
const torrcOf = (name: string, ...settings: string[]) => load(...settings).network.nodes.find((node) => node.name === name)?.torrc

function refusal(...settings: string[]): { message: string; hint: string | undefined } {
  try {
    load(...settings)
  } catch (error) {
    const { message, hint } = error as RelishError
    return { message, hint }
  }
  throw new Error('it was taken')
}

describe('counts', () => {
  const rolesOf = (...settings: string[]): string => load(...settings).network.nodes.map((node) => node.name).join(' ')
  test('of a role, of a group, of a role that has no group yet', () => {
    expect(rolesOf('exits=1')).toBe('auth1 auth2 auth3 exit1 alice')
    expect(rolesOf('auth=5', 'exit=3')).toBe('auth1 auth2 auth3 auth4 auth5 exit1 exit2 exit3 alice')
    expect(rolesOf('relays=2')).toBe('auth1 auth2 auth3 exit1 exit2 alice relay1 relay2')
    expect(rolesOf('relays=2', 'relays=0')).toBe(rolesOf())
  })

  test('two groups of one role need a name', () => {
    const two = text.replace('  - { role: client', '  - { role: exit, name: other }\n  - { role: client')
    expect(() => loadNetworkText(two, '/nowhere/net.yaml', {}, ['exits=2'])).toThrow('the network has 2 groups of this role')
    expect(loadNetworkText(two, '/nowhere/net.yaml', {}, ['other=2']).network.nodes.filter((node) => node.group === 'other')).toHaveLength(2)
  })
})

describe('options', () => {
  test('for every node, over whatever groups and nodes say', () => {
    for (const name of ['auth1', 'exit1', 'exit2', 'alice']) expect(torrcOf(name, 'torrc.BandwidthRate=5 MB')).toEqual(['BandwidthRate 5 MB'])
  })

  test('for a group, and for one node', () => {
    expect(torrcOf('exit1', 'exit.torrc.BandwidthRate=5 MB')).toEqual(['BandwidthRate 1 MB', 'BandwidthRate 5 MB'])
    expect(torrcOf('auth2', 'auth2.torrc.BandwidthRate=5 MB')?.at(-1)).toBe('BandwidthRate 5 MB')
    expect(torrcOf('auth1', 'auth2.torrc.BandwidthRate=5 MB')?.at(-1)).toBe('BandwidthRate 1 MB')
  })

  test('parameters, checks, and other settings by their path', () => {
    const { network } = load('params.circwindow=500', 'checks=echo,path', 'options.progressSec=7', 'exit.family=ours')
    expect(network.params).toEqual({ circwindow: 500 })
    expect(network.checks).toEqual(['echo', 'path'])
    expect(network.options.progressSec).toBe(7)
    expect(network.nodes.filter((node) => node.family === 'ours').map((node) => node.name)).toEqual(['exit1', 'exit2'])
  })

  test('the text stays a network file that says the same', () => {
    const first = load('exits=4', 'torrc.BandwidthRate=5 MB')
    expect(loadNetworkText(first.text, '/nowhere/net.yaml', {}).network).toEqual(first.network)
    expect(first.text).toContain('# kept')
  })
})

describe('complaints', () => {
  test.each([
    ['reloys=3', 'there is no "reloys" in this network', 'did you mean "relays"?'],
    ['alise.torrc.SafeLogging=0', 'there is no "alise" in this network', 'did you mean "alice"?'],
    ['parms.x=3', 'there is no "parms" in this network', 'did you mean "params"?'],
    ['relays', 'a setting is NAME=VALUE', 'as in --set relays=20'],
    ['torrc=1', 'after "torrc" comes the name of one option', 'as in'],
  ])('%s', (setting, message, hint) => {
    const said = refusal(setting)
    expect(said.message).toContain(`--set ${setting}: ${message}`)
    expect(said.hint).toContain(hint)
  })

  test.each([
    ['exits=many', '"count" must be an integer, not the string "many"'],
    ['torrc.BandwithRate=1', 'there is no option "BandwithRate"'],
    ['options.progresSec=1', 'did you mean "progressSec"?'],
    ['params.circwindow=wide', '"circwindow" must be an integer'],
    ['exits=0', 'the network has no exit'],
  ])('%s is the business of the schema and the lint', (setting, words) => {
    const said = refusal(setting)
    expect(said.message).toContain('net.yaml with --set:')
    expect(said.message).toContain(words)
    expect(() => load(setting)).toThrow(NetworkFileError)
  })
})

test('durations', () => {
  expect(['24h', '90 s', '500ms', '7d', '1.5 minutes', 30, '30'].map(parseDuration)).toEqual([86_400_000, 90_000, 500, 604_800_000, 90_000, 30_000, 30_000])
  expect(['', 'soon', '-1s', '5 parsecs', '1h30m'].map(parseDuration)).toEqual([undefined, undefined, undefined, undefined, undefined])
  for (const ms of [0, 1, 999, 1000, 1500, 90_000, 3_600_000, 86_400_000, 90_061_001]) expect(parseDuration(formatDuration(ms))).toBe(ms)
})
