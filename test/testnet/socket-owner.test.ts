import { createSocket } from 'node:dgram'
import { createServer, connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { ownerOfSocket } from '../../src/testnet/socket-owner.ts'

/** Where /proc tells. */
const known = process.platform === 'linux' ? process.pid : undefined

test('the process that has a connection is found by its own end', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await new Promise((resolve) => client.once('connect', resolve))
  const local = { host: client.localAddress ?? '', port: client.localPort ?? 0 }
  expect(ownerOfSocket(local, 'tcp', [process.ppid, process.pid])).toBe(known)
  expect(ownerOfSocket(local, 'tcp', [])).toBeUndefined()
  expect(ownerOfSocket({ ...local, host: '127.0.0.2' }, 'tcp', [process.pid])).toBeUndefined()
  client.destroy()
  server.close()
})

test('and one that sends datagrams from no address in particular', async () => {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '0.0.0.0', resolve))
  expect(ownerOfSocket({ host: '127.0.0.1', port: socket.address().port }, 'udp', [process.pid])).toBe(known)
  socket.close()
})
