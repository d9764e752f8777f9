/** A stream and its socket, where the two end at different times. What all runtimes have in common is in test/contract. */

import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { HostStream } from '../../src/host/host-stream.ts'
import { makeReadBuffers } from '../../src/host/incoming-bytes.ts'
import { hostLimits } from '../../src/host/limits.ts'
import { makeWriteBuffers } from '../../src/host/outgoing-bytes.ts'
import { TurnQueue } from '../../src/host/turn-queue.ts'

test('a stream that is destroyed after its socket closed, with bytes that nobody wanted, is closed', async () => {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [[import('node:net').Socket], unknown]
  // All is there before anything is read: data and its end come in one turn.
  peer.resume()
  peer.end(new Uint8Array(hostLimits.readChunkBytesMax + 1000))
  await once(peer, 'finish')

  let forgotten = 0
  const guard = (work: () => void): void => work()
  const stream = new HostStream(socket, { turns: new TurnQueue(guard), readBuffers: makeReadBuffers(), writeBuffers: makeWriteBuffers(), guard, onClosed: () => forgotten++ })
  let closed = 0
  const socketClosed = once(socket, 'close')
  stream.start({ onData: () => stream.pauseReading(), onEnd: () => undefined, onDrain: () => undefined, onClose: () => closed++ })
  stream.end()
  await socketClosed
  expect([closed, forgotten]).toEqual([0, 0])
  stream.destroy()
  stream.destroy()
  // Not from within the call that destroys it.
  expect(closed).toBe(0)
  await new Promise((resolve) => setImmediate(resolve))
  expect([closed, forgotten]).toEqual([1, 1])
  server.close()
})

test('what an accepted socket has brought before the stream is started comes first, and the end last', async () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const peer = connect({ host: '127.0.0.1', port })
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket]
  const sent = Uint8Array.from({ length: 3 * hostLimits.readTurnBytesMax }, (_, i) => i % 251)
  peer.write(sent.subarray(0, 5000))
  socket.read(0)
  await once(socket, 'readable')
  expect(socket.readableLength).toBe(5000)

  const guard = (work: () => void): void => work()
  const stream = new HostStream(socket, { turns: new TurnQueue(guard), readBuffers: makeReadBuffers(), writeBuffers: makeWriteBuffers(), guard, onClosed: () => undefined })
  const came: Uint8Array[] = []
  const ended = new Promise<void>((resolve) => {
    stream.start({ onData: (chunk) => came.push(chunk.slice()), onEnd: resolve, onDrain: () => undefined, onClose: () => undefined })
  })
  peer.end(sent.subarray(5000))
  await ended
  // Nothing has gone through the queue of Node.js since.
  expect(socket.readableLength).toBe(0)
  expect(Buffer.concat(came).equals(sent)).toBe(true)
  stream.destroy()
  server.close()
})
