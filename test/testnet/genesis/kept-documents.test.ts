/** A warm genesis makes no new documents where nodes hold those of the run before, and makes them where anything is different. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { formatIsoTime, wallMs } from '../../../src/core/base/time.ts'
import { prepareProcessNetwork } from '../../../src/testnet/backend/process.ts'
import { loadNetworkText } from '../../../src/testnet/load-network.ts'
import { RunDirectory } from '../../../src/testnet/run-directory.ts'

const small = `
genesis: warm
nodes:
  - { role: authority, name: auth }
  - { role: exit, name: exit, count: 2 }
  - { role: client, name: client }
`

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'relish-kept-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const nodes = ['auth', 'exit1', 'exit2', 'client']
const pathOf = (node: string, file: string): string => join(folder, 'nodes', node, file)
const consensusOf = (node: string): string => readFileSync(pathOf(node, 'cached-microdesc-consensus'), 'latin1')

/** Prepares a run, which starts nothing, and gives the consensus that nodes would find. */
async function prepared(text = small): Promise<string> {
  const { network } = loadNetworkText(text, '/nowhere/small.yaml', {})
  const made = await prepareProcessNetwork({ network, text, directory: new RunDirectory(folder), nodeProgram: ['/bin/false'] })
  await made.close()
  return consensusOf('client')
}

/** Changes the consensus that all have. */
function changeConsensus(change: (text: string) => string): void {
  for (const node of nodes) writeFileSync(pathOf(node, 'cached-microdesc-consensus'), change(consensusOf(node)), 'latin1')
}

/** What nobody would make again: what is kept is known by it. */
const mark = (): void => changeConsensus((text) => `${text}marked\n`)

const changes: readonly (readonly [string, () => void])[] = [
  ['a node has no consensus', () => rmSync(pathOf('client', 'cached-microdesc-consensus'))],
  ['a relay has only one flavour', () => rmSync(pathOf('exit1', 'cached-consensus'))],
  ['one has another consensus than the others', () => writeFileSync(pathOf('exit2', 'cached-microdesc-consensus'), `${consensusOf('exit2')}another\n`)],
  ['a relay is not Running', () => changeConsensus((text) => text.replace(/^(s .*)Running /m, '$1'))],
  ['a relay is missing', () => changeConsensus((text) => text.replace(/^r exit1 /m, 'r other '))],
  ['the consensus is over', () => changeConsensus((text) => text.replace(/^(valid-until) .*$/m, '$1 2001-01-01 00:00:00'))],
  ['the consensus is fresh for half a minute', () => changeConsensus((text) => text.replace(/^(fresh-until) .*$/m, `$1 ${formatIsoTime(wallMs(Date.now() + 30_000))}`))],
  ['a client lacks microdescriptors', () => rmSync(pathOf('client', 'cached-microdescs'))],
  ['an authority lacks descriptors', () => rmSync(pathOf('auth', 'cached-descriptors'))],
  ['a relay has lost its keys', () => rmSync(pathOf('exit1', 'keys'), { recursive: true })],
  ['somebody has changed a torrc', () => writeFileSync(pathOf('exit1', 'torrc'), 'ExitPolicy reject *:*\n')],
]

test('documents of the run before are kept, but where anything is different', async () => {
  await prepared()
  mark()
  expect(await prepared()).toContain('marked')
  for (const [words, change] of changes) {
    change()
    expect(await prepared(), words).not.toContain('marked')
    expect(nodes.map(consensusOf), words).toEqual(nodes.map(() => consensusOf('auth')))
    mark()
  }
  expect(await prepared(`${small}params: { circwindow: 500 }\n`)).not.toContain('marked')
})

test('relays of a later phase are not in the consensus that the others find', async () => {
  const text = small.replace('name: client }', 'name: client }\n  - { role: relay, name: late, phase: 2 }')
  expect(await prepared(text)).not.toMatch(/^r late /m)
  mark()
  expect(await prepared(text)).not.toContain('marked')
})
