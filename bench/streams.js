/** Streams through a SOCKS port to a server of our own: how long bytes take. */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const chunk = Buffer.alloc(64 * 1024, 'relish')

/**
 * A server that does what the first byte of a connection says: `d` sends as many bytes as the next eight digits say, `u` takes as
 * many and then answers with one byte, `e` sends back what comes.
 */
export async function makeSink() {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    let order
    let left = 0
    socket.on('data', (data) => {
      if (order === undefined) {
        order = String.fromCharCode(data[0])
        left = Number(data.toString('latin1', 1, 9))
        data = data.subarray(9)
        if (order === 'd') send(socket, left, () => socket.end())
      }
      if (order === 'e' && data.length > 0) socket.write(data)
      if (order === 'u') {
        left -= data.length
        if (left <= 0) socket.end('.')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port, close: () => server.close() }
}

/** Seconds that `streams` streams of `megabytes` each take together, from the request to the last byte. */
export async function transfer(socks, sink, direction, megabytes, streams) {
  const bytes = Math.round(megabytes * 1e6)
  const sockets = await Promise.all(Array.from({ length: streams }, () => openStream(socks, sink.port)))
  const startMs = performance.now()
  await Promise.all(
    sockets.map(async (socket) => {
      socket.write(`${direction === 'down' ? 'd' : 'u'}${String(bytes).padStart(8, '0')}`)
      if (direction === 'up') send(socket, bytes, () => undefined)
      let received = 0
      for await (const data of socket) {
        received += data.length
        if (direction === 'up' || received === bytes) break
      }
      if (direction === 'down' && received !== bytes) throw new Error(`${received} of ${bytes} bytes came`)
    }),
  )
  return (performance.now() - startMs) / 1000
}

/** Milliseconds that one byte takes to the server and back: the median of `trips`. */
export async function roundTrips(socks, sink, trips) {
  const socket = await openStream(socks, sink.port)
  socket.write('e00000000')
  const times = []
  for (let i = 0; i < trips; i++) {
    const startMs = performance.now()
    socket.write('x')
    await once(socket, 'data')
    times.push(performance.now() - startMs)
  }
  socket.destroy()
  return times.sort((a, b) => a - b)[trips >> 1]
}

/** A stream to the sink: SOCKS 5 without authentication (RFC 1928). */
async function openStream({ host, port }, target) {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  socket.write(Buffer.from([5, 1, 0]))
  await once(socket, 'data')
  socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, target >> 8, target & 255]))
  const [reply] = await once(socket, 'data')
  if (reply[1] !== 0) throw new Error(`SOCKS answers ${reply[1]}`)
  return socket
}

function send(socket, bytes, onSent) {
  let left = bytes
  const more = () => {
    while (left > 0) {
      const take = left < chunk.length ? chunk.subarray(0, left) : chunk
      left -= take.length
      if (!socket.write(take)) {
        if (left > 0) socket.once('drain', more)
        else onSent()
        return
      }
    }
    onSent()
  }
  more()
}
