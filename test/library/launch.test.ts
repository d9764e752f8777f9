/** The library as an application's tests use it. */

import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, LaunchError, NetworkFileError, RelishError, SocksRefusal, VerificationError, WaitTimeoutError, type NetworkEvent } from '../../src/library/index.ts'

const smallest = {
  nodes: [
    { role: 'authority', name: 'auth', count: 2 },
    { role: 'exit', name: 'exit' },
    { role: 'client', name: 'alice' },
  ],
} as const

/** What is left in a folder for temporary files that only these tests use. */
let temporary: string
const leftOvers = (): string[] => readdirSync(temporary)
const usual = process.env['TMPDIR']
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'relish-library-'))
  process.env['TMPDIR'] = temporary
})
afterAll(() => {
  if (usual === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = usual
  rmSync(temporary, { recursive: true, force: true })
})

test('folders that are not there or cannot be made are said to be that', async () => {
  process.env['TMPDIR'] = join(temporary, 'nowhere')
  try {
    await expect(launch(smallest, { world: 'processes' })).rejects.toMatchObject({ name: 'RelishError', kind: 'local-io', message: expect.stringMatching(/^no temporary folder can be made: ENOENT.*nowhere/) as string, hint: expect.stringContaining('TMPDIR') as string })
  } finally {
    process.env['TMPDIR'] = temporary
  }
  await expect(launch(smallest, { dir: '/dev/null/run' })).rejects.toMatchObject({ kind: 'local-io', message: expect.stringContaining("'/dev/null/run") as string })
})

test('a network in this process: HTTP, names, streams, and nothing left behind', async () => {
  const net = await launch(smallest, { world: 'inline' })
  const sink = await net.sink({ respond: ({ path, headers }) => (path === '/json' ? { status: 201, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ agent: headers['user-agent'] }) } : path === '/away' ? { status: 302, headers: { location: '/json' } } : 'hello') })
  const client = net.client('alice')
  expect(client.socks.url).toBe(`socks5h://${client.socks.host}:${client.socks.port}`)

  const posted = await client.fetch(sink.url('/hello?x=1'), { method: 'POST', body: 'abc', headers: { 'x-test': 'yes' } })
  expect(posted).toBeInstanceOf(Response)
  expect(await posted.text()).toBe('hello')
  const redirected = await client.fetch(sink.url('/away'), { headers: { 'user-agent': 'relish' } })
  expect([redirected.status, redirected.redirected, redirected.url, await redirected.json()]).toEqual([201, true, sink.url('/json'), { agent: 'relish' }])
  expect(sink.visits).toMatchObject([
    { kind: 'http', node: 'exit', role: 'exit', method: 'POST', path: '/hello?x=1', headers: { 'x-test': 'yes' }, body: new TextEncoder().encode('abc') },
    { kind: 'http', path: '/away' },
    { kind: 'http', path: '/json' },
  ])

  expect(await client.resolve(sink.name)).toBe(sink.host)
  const stream = await client.isolated('other').connect(sink.name, sink.echoPort)
  stream.write('echo this')
  expect(String(await once(stream, 'data'))).toBe('echo this')
  expect(sink.questions.every((question) => question.node === 'exit')).toBe(true)
  expect(sink.leaks()).toEqual([])
  // Past the client, straight to the server.
  await (await fetch(`http://${sink.host}:${sink.httpPort}/direct`)).text()
  expect(sink.leaks()).toMatchObject([{ kind: 'http', path: '/direct', node: undefined }])

  expect(net.problems()).toEqual([])
  const refused = await client.connect(sink.name, 25).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(SocksRefusal)
  const results = await net.verify({ only: ['echo', 'path', 'policy'], skip: ['policy'] })
  expect(results.map(({ name, outcome }) => [name, outcome.kind])).toEqual([['echo', 'passed'], ['path', 'passed']])

  const directory = net.directory ?? ''
  expect(existsSync(directory)).toBe(true)
  await net.close()
  expect(existsSync(directory)).toBe(false)
  expect(stream.destroyed).toBe(true)
  expect(net.nodes().map((node) => node.info().state.kind)).toEqual(['stopped', 'stopped', 'stopped', 'stopped'])
})

describe('a simulation', () => {
  test('carries the same calls in virtual time, and the same run comes from the same seed', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const net = await launch(smallest, { world: 'simulated', seed })
      const sink = await net.sink()
      const answer = await (await net.client().fetch(sink.url('/'))).text()
      const stream = await net.client().connect(sink.name, sink.echoPort)
      stream.write('over and back')
      const [back] = (await net.drive(() => once(stream, 'data'))) as [Buffer]
      stream.destroy()
      const seen = sink.visits.map(({ from, node, atMs }) => [from.host, node, atMs])
      expect(() => net.client().socks).toThrow(expect.objectContaining({ kind: 'unavailable' }) as Error)
      await net.close()
      return [answer, back.toString(), seen]
    }
    const first = await run(1)
    expect(first).toMatchObject([expect.stringMatching(/^127\.3\.0\.1\n$/), 'over and back', [['127.3.0.1', 'exit', expect.any(Number)], ['127.3.0.1', 'exit', expect.any(Number)]]])
    expect(await run(1)).toEqual(first)
    expect(await run(2)).not.toEqual(first)
  })

  test('events come to listeners and loops, and end with the network', async () => {
    const net = await launch(smallest, { world: 'simulated' })
    const stopped: string[] = []
    const unsubscribe = net.events.on('stopped', ({ node, reason }) => stopped.push(`${node}: ${reason}`))
    const seen: NetworkEvent[] = []
    const loop = (async () => {
      for await (const event of net.events) seen.push(event)
    })()
    const restarted = net.node('exit').restart()
    await restarted
    unsubscribe()
    await net.close()
    await loop
    expect(stopped).toEqual(['exit: asked to'])
    expect(seen.some((event) => event.kind === 'stage' && event.stage === 'ready' && event.node === 'exit')).toBe(true)
    expect(seen.filter((event) => event.kind === 'stopped').map((event) => event.node)).toEqual(['exit', 'auth1', 'auth2', 'exit', 'alice'])
  })

  test('waiting says what is missing', async () => {
    await using net = await launch(smallest, { world: 'simulated' })
    await net.waitFor('ready')
    await net.waitFor({ listed: 'exit' })
    const missing = async (condition: Parameters<typeof net.waitFor>[0]): Promise<string> => {
      const error: unknown = await net.waitFor(condition, { timeout: 1000 }).then(() => 'it holds', (thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(WaitTimeoutError)
      return (error as WaitTimeoutError).message
    }
    expect(await missing({ listed: 'nobody' })).toBe('after 1 s still missing: a consensus with nobody at auth1, auth2, exit, alice')
    expect(await missing(() => 'a miracle')).toBe('after 1 s still missing: a miracle')
    expect(await missing(function neverTrue() {
      return false
    })).toBe('after 1 s still missing: the condition neverTrue')
    expect(await missing(() => new Promise<boolean>(() => undefined))).toBe('after 1 s still missing: an answer of the condition')
    await net.node('exit').stop()
    expect(net.problems().filter((one) => one.kind !== 'warning')).toEqual([])
    expect(await missing({ node: 'exit', state: 'running' })).toBe('after 1 s still missing: exit running: exit is stopped')
    await expect(net.waitFor({ node: 'alice', stage: 'published' })).rejects.toMatchObject({ kind: 'config' })
    await expect(net.waitFor({ node: 'bob', state: 'running' })).rejects.toMatchObject({ kind: 'config', hint: 'nodes: auth1, auth2, exit, alice' })
    await expect(net.waitFor(() => {
      throw new TypeError('mistaken')
    })).rejects.toThrow('mistaken')
    const failed: unknown = await net.verify({ only: ['echo'] }).catch((thrown: unknown) => thrown)
    expect(failed).toBeInstanceOf(VerificationError)
    expect((failed as VerificationError).message).toMatch(/^1 of 1 checks failed\n {2}echo: /)
  })
})

describe('what cannot be started', () => {
  test('a wrong file is refused with line and suggestion', async () => {
    const error: unknown = await launch('nodes:\n  - { role: authority }\n  - { rol: exit }\n').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NetworkFileError)
    expect((error as NetworkFileError).diagnostics[0]).toMatchObject({ line: 3, severity: 'error' })
    await expect(launch('basic-min', { world: 'inlne' as 'inline' })).rejects.toMatchObject({ kind: 'config', message: '"inlne" is no world', hint: expect.stringContaining('did you mean "inline"?') as string })
    await expect(launch('basic-min', { wrold: 'inline' } as object)).rejects.toMatchObject({ kind: 'config', hint: expect.stringContaining('did you mean "world"?') as string })
    await expect(launch('basci')).rejects.toMatchObject({ kind: 'config', hint: expect.stringContaining('did you mean "basic"?') as string })
  })

  test('a seed is for simulations', async () => {
    await expect(launch(smallest, { seed: 1 })).rejects.toBeInstanceOf(RelishError)
  })

  test('a network that does not come up says why, and leaves nothing', async () => {
    const error: unknown = await launch(smallest, { set: { 'alice.torrc.EntryNodes': '127.0.0.9', 'options.progressSec': 1 } }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(LaunchError)
    expect((error as LaunchError).stuck.map((node) => node.node)).toEqual(['alice'])
    expect((error as LaunchError).message).toContain('alice (client): at stage')
    expect(leftOvers()).toEqual([])
  })

  test('a start that is aborted ends, and leaves nothing', async () => {
    await expect(launch(smallest, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(launch(smallest, { signal: AbortSignal.abort(new Error('no more')) })).rejects.toThrow('no more')
    expect(leftOvers()).toEqual([])
  })

  test('a run directory of the caller\'s stays, and is used by one at a time', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'relish-library-'))
    const net = await launch(smallest, { dir })
    await expect(launch(smallest, { dir })).rejects.toMatchObject({ kind: 'refused' })
    await net.close()
    expect(existsSync(join(dir, 'nodes', 'auth1', 'keys'))).toBe(true)
    rmSync(dir, { recursive: true })
  })
})
