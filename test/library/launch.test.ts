/** The library on networks inside this process: what an application's tests do. */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { launch } from '../../src/library/index.ts'

test('starts, fetches, resolves, connects and leaves nothing behind', async () => {
  const net = await launch('basic-min', { world: 'inline' })
  const sink = await net.sink()
  const client = net.client()
  const response = await client.fetch(sink.url('/hello?x=1'), { method: 'POST', body: 'abc', headers: { 'x-test': 'yes' } })
  expect(response.status).toBe(200)
  expect((await response.text()).trim()).toBe(sink.visits[0]?.from.host)
  expect(sink.visits).toMatchObject([{ kind: 'http', role: 'exit', method: 'POST', path: '/hello?x=1', headers: { 'x-test': 'yes' } }])
  expect(Buffer.from((sink.visits[0] as { body: Uint8Array }).body).toString()).toBe('abc')
  expect(await client.resolve(sink.name)).toBe(sink.host)
  const stream = await client.connect(sink.name, sink.echoPort)
  stream.write('echo this')
  const [back] = (await once(stream, 'data')) as [Buffer]
  expect(back.toString()).toBe('echo this')
  stream.end()
  await once(stream, 'close')
  expect(sink.leaks()).toEqual([])
  expect(sink.questions.length).toBeGreaterThan(0)
  const dir = net.directory ?? ''
  expect(existsSync(dir)).toBe(true)
  await net.close()
  expect(existsSync(dir)).toBe(false)
  expect(net.nodes().every((node) => node.info().state.kind === 'stopped')).toBe(true)
})
