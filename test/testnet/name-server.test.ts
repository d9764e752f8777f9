import { Resolver } from 'node:dns/promises'
import { createSocket } from 'node:dgram'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNameServer, type RunningNameServer } from '../../src/testnet/name-server.ts'

let server: RunningNameServer
const resolver = new Resolver()
beforeAll(async () => {
  server = await startNameServer('127.0.0.1')
  resolver.setServers([`127.0.0.1:${server.address.port}`])
  server.setAddresses('Both.relish.test', ['192.0.2.1', '2001:db8::1', '192.0.2.2'])
  server.setAddresses('empty.relish.test', [])
  server.setName('192.0.2.1', 'both.relish.test')
  server.setName('2001:db8::1', 'six.relish.test')
})
afterAll(() => server.close())

describe('answers', () => {
  test('addresses of a name, whatever its case', async () => {
    expect(await resolver.resolve4('both.RELISH.test')).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(await resolver.resolve6('both.relish.test')).toEqual(['2001:db8::1'])
  })

  test('names of an address', async () => {
    expect(await resolver.reverse('192.0.2.1')).toEqual(['both.relish.test'])
    expect(await resolver.reverse('2001:db8::1')).toEqual(['six.relish.test'])
  })

  test.each([
    ['a name that does not exist', 'nothing.relish.test', 'ENOTFOUND'],
    ['a name without addresses', 'empty.relish.test', 'ENODATA'],
  ])('%s', async (_what, name, code) => {
    await expect(resolver.resolve4(name)).rejects.toMatchObject({ code })
  })

  test('who asked for what is remembered', () => {
    expect(server.questions.some((question) => question.name === 'nothing.relish.test' && question.type === 'A' && question.from === '127.0.0.1')).toBe(true)
  })
})

test('packets that are no questions get no answer and do no harm', async () => {
  const socket = createSocket('udp4')
  let answers = 0
  socket.on('message', () => answers++)
  const question = Buffer.from('123401000001000000000000016103636f6d0000010001', 'hex')
  const bad = [
    ...Array.from(question, (_byte, length) => question.subarray(0, length)),
    Buffer.from(question).fill(0xff, 12, 13),
    Buffer.concat([question.subarray(0, 2), Buffer.from([0x81]), question.subarray(3)]),
    Buffer.concat([question.subarray(0, 5), Buffer.from([9]), question.subarray(6)]),
    Buffer.alloc(2000, 0x3f),
  ]
  for (const packet of bad) await new Promise<void>((resolve) => socket.send(packet, server.address.port, '127.0.0.1', () => resolve()))
  const answer = new Promise<Buffer>((resolve) => socket.once('message', resolve))
  socket.send(question, server.address.port, '127.0.0.1')
  expect((await answer).readUInt16BE(0)).toBe(0x1234)
  expect(answers).toBe(1)
  socket.close()
})
