/** Streams through a SOCKS port to a server of our own: how long bytes take. */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const chunk = Buffer.alloc(64 * 1024, 'relish')
/** What a connection begins with: a letter and the number of bytes. */
const DIGITS = 10

/**
 * A server that does what the first byte of a connection says: `d` sends as many bytes as the digits after it say, `u` takes as
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
        left = Number(data.toString('latin1', 1, 1 + DIGITS))
        data = data.subarray(1 + DIGITS)
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

const order = (letter, bytes) => `${letter}${String(bytes).padStart(DIGITS, '0')}`

/**
 * `streams` streams of `megabytes` each at one time, spread over the clients' SOCKS ports. Answers the seconds from the request
 * to the last byte of all, and how fair it was: what the stream behind all others had when the first was done, as a part of
 * the whole (1: all were done together). Of streams up it is not known.
 */
export async function transfer(clients, sink, direction, megabytes, streams) {
  const bytes = Math.round(megabytes * 1e6)
  const sockets = await Promise.all(Array.from({ length: streams }, (_, i) => openStream(clients[i % clients.length], sink.port)))
  const received = sockets.map(() => 0)
  let behind
  const startMs = performance.now()
  await Promise.all(
    sockets.map(async (socket, i) => {
      socket.write(order(direction === 'down' ? 'd' : 'u', bytes))
      if (direction === 'up') send(socket, bytes, () => undefined)
      for await (const data of socket) {
        received[i] += data.length
        if (direction === 'up' || received[i] === bytes) break
      }
      if (direction === 'down' && received[i] !== bytes) throw new Error(`${received[i]} of ${bytes} bytes came`)
      behind ??= Math.min(...received) / bytes
    }),
  )
  return { seconds: (performance.now() - startMs) / 1000, fairness: direction === 'down' ? behind : undefined }
}

/** Milliseconds that one byte takes to the server and back: the median of `trips`. */
export async function roundTrips(client, sink, trips) {
  const socket = await openStream(client, sink.port)
  socket.write(order('e', 0))
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

/** Milliseconds from connecting to the SOCKS port as a user never seen before, who gets a circuit of their own, to a byte back. */
export async function firstByte(client, sink, user) {
  const startMs = performance.now()
  const socket = await openStream(client, sink.port, user)
  socket.write(`${order('e', 0)}x`)
  await once(socket, 'data')
  socket.destroy()
  return performance.now() - startMs
}

/** A stream to the sink: SOCKS 5 (RFC 1928), with a user name and a password (RFC 1929) where there is a user. */
async function openStream({ host, port }, target, user) {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  socket.write(Buffer.from([5, 1, user === undefined ? 0 : 2]))
  await once(socket, 'data')
  if (user !== undefined) {
    socket.write(Buffer.concat([Buffer.from([1, user.length]), Buffer.from(user), Buffer.from([1, 0x78])]))
    await once(socket, 'data')
  }
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
