import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SocksStatus } from '../../src/core/socks/message.ts'
import { makeBulkCheck } from '../../src/testnet/checks/bulk.ts'
import type { Check, CheckOutcome } from '../../src/testnet/checks/check.ts'
import { builtInChecks, loadChecks } from '../../src/testnet/checks/load-checks.ts'
import { builtInCheckNames, defaultCheckNames } from '../../src/testnet/checks/names.ts'
import { replaced } from '../../src/testnet/checks/replaced.ts'
import { inGroups, inOrder, runChecks, type RunChecksOptions } from '../../src/testnet/checks/run-checks.ts'
import type { RunningNetwork } from '../../src/testnet/backend/backend.ts'
import { checksAtOnceMax } from '../../src/testnet/limits.ts'
import { FakeNetwork, type Misbehaviour } from '../support/fake-network.ts'

let network: FakeNetwork
beforeAll(async () => {
  network = await FakeNetwork.create()
})
afterAll(() => network.close())
beforeEach(() => {
  for (const key of Object.keys(network.misbehaviour)) Reflect.deleteProperty(network.misbehaviour, key)
})

const checkNamed = (name: string): Check => {
  const check = name === 'bulk' ? makeBulkCheck(1 << 20, 500) : builtInChecks.find((one) => one.name === name)
  if (check === undefined) throw new Error(`no check ${name}`)
  return check
}

async function outcomeOf(check: Check, options: RunChecksOptions = {}): Promise<CheckOutcome> {
  const [result] = await runChecks(network, [check], { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined }, options)
  if (result === undefined) throw new Error('no result')
  return result.outcome
}

test('every built-in name has its check, in the same order', () => {
  expect(builtInChecks.map((check) => check.name)).toEqual(builtInCheckNames)
})

describe('on a network that behaves', () => {
  test.each([...defaultCheckNames])('%s passes, with evidence', async (name) => {
    const outcome = await outcomeOf(checkNamed(name))
    expect(outcome.kind === 'failed' ? outcome.reason : outcome.kind).toBe('passed')
    if (outcome.kind === 'passed') expect(outcome.evidence.join('\n')).toMatch(/client1|auth|tlsonly|signatures/)
  })
})

describe('each check fails on what it is there to find', () => {
  const cases: [string, string, Misbehaviour, RegExp][] = [
    ['echo', 'changed bytes', { corrupt: true }, /came back changed/],
    ['bulk', 'a lost byte', { dropAfter: 500_000 }, /(SHA-256 of|bytes that) (what )?came back/],
    ['concurrent', 'a changed stream', { corrupt: true }, /stream \d+ of client1 got bytes it did not send/],
    ['exit-seen', 'the client itself at the server', { leaveFromClient: true }, /the server saw the client client1 itself/],
    ['exit-seen', 'another exit than the circuit says', { path: ['auth1', 'middle1', 'exit2'] }, /the exit that came is the last relay/],
    ['path', 'two hops', { path: ['auth1', 'exit1'] }, /2 relays instead of three/],
    ['path', 'one relay twice', { path: ['middle1', 'middle1', 'exit1'] }, /one relay twice/],
    ['path', 'a last hop that is no exit', { path: ['auth1', 'middle1', 'middle2'] }, /the last relay is no exit/],
    ['path', 'a relay outside the consensus', { path: ['auth1', 'client2', 'exit1'] }, /is not in the consensus/],
    ['no-relay-knows-both', 'a guard that knows the target', { guardSeesTarget: true }, /auth1 holds both/],
    ['no-relay-knows-both', 'an exit that knows the client', { exitSeesClient: true }, /exit1 is not the guard, and its circuit names the client's address/],
    ['consensus', 'a node with another document', { otherConsensusAt: 'client2' }, /digest of the microdesc consensus that client2 holds/],
    ['consensus', 'an authority that did not sign', { unsigned: 1 }, /authorities that signed/],
    ['policy', 'a rejected port that is let out', { openPolicy: true }, /connected to port 25/],
    ['policy', 'the wrong reply', { policyReply: SocksStatus.TTL_EXPIRED }, /reply for port 25/],
    ['resolve', 'a client that asks itself', { resolveAtClient: true }, /that is no exit/],
    ['resolve', 'names that do not exist', { inventNames: true }, /resolved missing-client1/],
    ['socks-matrix', 'no isolation', { noIsolation: true }, /alice and bob share circuit/],
    ['socks-matrix', 'a BIND that works', { acceptBind: true }, /reply to SOCKS5 BIND/],
    ['tls-only', 'bytes in the clear', { plainLinks: true }, /the marker was seen on the link/],
  ]
  test.each(cases)('%s: %s', async (name, _what, misbehaviour, reason) => {
    Object.assign(network.misbehaviour, misbehaviour)
    const outcome = await outcomeOf(checkNamed(name))
    expect(outcome.kind).toBe('failed')
    if (outcome.kind === 'failed') expect(outcome.reason).toMatch(reason)
  })

  test('every default check is among them', () => {
    expect(new Set(cases.map(([name]) => name))).toEqual(new Set(defaultCheckNames))
  })
})

describe('running checks', () => {
  const check = (run: Check['run'], more: Partial<Check> = {}): Check => ({ name: 'own', summary: 'a check', tags: [], run, ...more })

  test('one without evidence has shown nothing', async () => {
    expect(await outcomeOf(check(() => Promise.resolve([])))).toMatchObject({ kind: 'failed', reason: 'the check gave no evidence, so it has shown nothing' })
  })

  test('one that does not fit says why', async () => {
    expect(await outcomeOf(check(() => Promise.resolve(['x']), { notFor: () => 'no reason' }))).toEqual({ kind: 'not-run', reason: 'no reason' })
  })

  test('a failure carries both sides, and what was logged before', async () => {
    const outcome = await outcomeOf(
      check(({ expect: must, log }) => {
        log('first this')
        must.equal(1, 2, 'the number')
        return Promise.resolve(['x'])
      }),
    )
    expect(outcome).toEqual({ kind: 'failed', reason: 'the number', expected: '2', found: '1', evidence: ['first this'] })
  })
})

describe('how long a check may take', () => {
  const slow = (turns: number): Check => ({
    name: 'slow',
    summary: 'an echo now and then',
    tags: [],
    async run({ network: world, clients, sink }) {
      const [client] = clients
      const stream = await client?.connect((await sink.echo()).address)
      for (let turn = 0; turn < turns; turn++) {
        await stream?.write(Uint8Array.of(turn))
        await stream?.readExactly(1)
        await new Promise<void>((resume) => world.clock.after(40, resume))
      }
      return [`${turns} turns`]
    },
  })

  test('as long as bytes move, any time', async () => {
    expect(await outcomeOf(slow(6), { patienceMs: 100 })).toEqual({ kind: 'passed', evidence: ['6 turns'] })
  })

  test('when nothing happens any more, it is over, and says what was last', async () => {
    const stuck: Check = { name: 'stuck', summary: '', tags: [], run: async (context) => [...(await slow(1).run(context)), await new Promise<never>(() => undefined)] }
    expect(await outcomeOf(stuck, { patienceMs: 60 })).toMatchObject({ kind: 'failed', reason: 'stuck came no further for 0.06 s; the last thing that happened: bytes came' })
  })

  test('a wait that has a limit of its own is not cut short', async () => {
    const waits: Check = { name: 'waits', summary: '', tags: [], run: ({ network: world }) => world.waitFor('what never comes', () => false, 150).then(() => ['x']) }
    expect(await outcomeOf(waits, { patienceMs: 30 })).toMatchObject({ kind: 'failed', reason: 'after 0 s still waiting for what never comes' })
  })
})

describe('retries', () => {
  const failsFirst = (times: number): Check => {
    let left = times
    return { name: 'wavers', summary: '', tags: [], run: ({ expect: must }) => Promise.resolve().then(() => (must(left-- <= 0, 'not yet'), ['there'])) }
  }

  test('are off unless asked for', async () => {
    expect(await outcomeOf(failsFirst(1))).toMatchObject({ kind: 'failed', reason: 'not yet' })
  })

  test('a pass on retry is flaky, not passed', async () => {
    const outcome = await outcomeOf(failsFirst(2), { retries: 2 })
    expect(outcome).toMatchObject({ kind: 'flaky', reason: 'not yet', evidence: ['there'] })
    if (outcome.kind === 'flaky') expect(outcome.failures).toHaveLength(2)
  })

  test('end after as many as were asked for', async () => {
    expect(await outcomeOf(failsFirst(2), { retries: 1 })).toMatchObject({ kind: 'failed' })
  })
})

test('checks that disturb the network come last', () => {
  const check = (name: string, disturbs: boolean): Check => ({ name, summary: '', tags: [], disturbs, run: () => Promise.resolve([]) })
  expect(inOrder([check('a', true), check('b', false), check('c', true), check('d', false)]).map((one) => one.name)).toEqual(['b', 'd', 'a', 'c'])
})

describe('checks that may run beside others', () => {
  const check = (name: string, besideOthers: boolean, run: Check['run'] = () => Promise.resolve([name])): Check => ({ name, summary: '', tags: [], besideOthers, run })
  const namesOf = (groups: readonly Check[][]): string[][] => groups.map((group) => group.map((one) => one.name))

  test('run with their neighbours that may, not across one that may not, and not too many at once', () => {
    expect(namesOf(inGroups([check('a', true), check('b', true), check('c', false), check('d', false), check('e', true)], checksAtOnceMax))).toEqual([['a', 'b'], ['c'], ['d'], ['e']])
    const many = inGroups(Array.from({ length: checksAtOnceMax + 1 }, (_, index) => check(`c${index}`, true)), checksAtOnceMax)
    expect(many.map((group) => group.length)).toEqual([checksAtOnceMax, 1])
  })

  test('run at the same time, and are told in their order', async () => {
    let meet: () => void = () => undefined
    const met = new Promise<void>((resolve) => {
      meet = resolve
    })
    const told: string[] = []
    const waits = check('waits', true, async () => {
      await met
      return ['met']
    })
    const comes = check('comes', true, () => {
      meet()
      return Promise.resolve(['came'])
    })
    const fails = check('fails', true, () => Promise.reject(new Error('for a reason')))
    const results = await runChecks(network, [waits, comes, fails, check('alone', false)], {
      onStart: (one) => told.push(`${one.name} begins`),
      onLog: () => undefined,
      onResult: (one) => told.push(`${one.name} ${one.outcome.kind}`),
    })
    expect(told).toEqual(['waits begins', 'comes begins', 'fails begins', 'waits passed', 'comes passed', 'fails failed', 'alone begins', 'alone passed'])
    expect(results.map((one) => one.name)).toEqual(['waits', 'comes', 'fails', 'alone'])
  })

  test('run one by one where another program has nodes', async () => {
    const told: string[] = []
    const [first, ...rest] = network.nodes()
    const mixed = replaced(network, { nodes: () => (first === undefined ? [] : [{ ...first, implementation: 'tor' }, ...rest]) })
    await runChecks(mixed, [check('one', true), check('two', true)], {
      onStart: (one) => told.push(`${one.name} begins`),
      onLog: () => undefined,
      onResult: (one) => told.push(`${one.name} ${one.outcome.kind}`),
    })
    expect(told).toEqual(['one begins', 'one passed', 'two begins', 'two passed'])
  })

  test('do not see nodes that one of them adds for itself', async () => {
    let seen: () => void = () => undefined
    const looked = new Promise<void>((resolve) => {
      seen = resolve
    })
    let added: () => void = () => undefined
    const isThere = new Promise<void>((resolve) => {
      added = resolve
    })
    const namesIn = (one: RunningNetwork): string => one.nodes().map((node) => node.name).join(' ')
    const adds = check('adds', true, async (context) => {
      await context.network.addNode({ name: 'mine', role: 'client', torrc: [] })
      added()
      await looked
      const names = namesIn(context.network)
      await context.network.removeNode('mine')
      return [names, namesIn(context.network)]
    })
    const looks = check('looks', true, async (context) => {
      await isThere
      seen()
      return [namesIn(context.network)]
    })
    const before = namesIn(network)
    const results = await runChecks(network, [adds, looks], { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined })
    expect(results.map(({ outcome }) => (outcome.kind === 'passed' ? outcome.evidence : outcome))).toEqual([[`${before} mine`, before], [before]])
  })
})

describe('modules of the user', () => {
  const folder = mkdtempSync(join(tmpdir(), 'relish-checks-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }

  test('a module gets network, clients, sink, $, expect and log; what it returns is evidence', async () => {
    const path = write('good.mjs', `
      export const name = 'mine', summary = 'all is there'
      export default async ({ network, clients, sink, $, expect, log }) => {
        const server = await sink.http()
        const body = await clients[0].fetch('http://' + server.address.host + ':' + server.address.port + '/')
        expect(body.length > 0, 'an answer')
        log('fetched')
        return [network.network.name, (await $\`echo from a shell\`).stdout.trim()]
      }`)
    const [loaded] = await loadChecks([path])
    expect(loaded).toMatchObject({ name: 'mine', summary: 'all is there' })
    if (loaded !== undefined) expect(await outcomeOf(loaded)).toEqual({ kind: 'passed', evidence: ['fake', 'from a shell'] })
  })

  test.each([
    ['bad.mjs', 'export const x = 1', /has no function as its default export/],
    ['broken.mjs', 'export default (', /does not load/],
  ])('%s is refused', async (name, text, message) => {
    await expect(loadChecks([write(name, text)])).rejects.toThrow(message)
  })

  test('what one throws is told with the way to it, as far as the way is its own', async () => {
    const path = write('throws.mjs', 'const inner = () => { undefined.x }\nexport default async () => { inner() }\n')
    const later = write('throws-later.mjs', 'export default async () => { await null; throw new Error("later") }\n')
    for (const [file, lines] of [[path, 3], [later, 2]] as const) {
      const [loaded] = await loadChecks([file])
      const outcome = loaded === undefined ? undefined : await outcomeOf(loaded)
      expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining(file) as string })
      expect(outcome?.kind === 'failed' ? outcome.reason.split('\n') : []).toHaveLength(lines)
    }
  })

  test('a name that is none gets the nearest', async () => {
    await expect(loadChecks(['ecko'])).rejects.toMatchObject({ kind: 'config', hint: expect.stringContaining('did you mean "echo"?') as string })
    await expect(loadChecks(['./not-there.js'])).rejects.toThrow('there is no check module ./not-there.js')
  })
})
