// The application: reads the title of a web page, and must never be seen doing so. All of it goes through the SOCKS port of
// a Tor client, and the name of the server goes with it: looking it up here would tell everybody who is visited.
import http from 'node:http'
import net from 'node:net'

/** `socks`: host and port of a Tor client. */
export async function pageTitle(url, socks) {
  const { hostname, port } = new URL(url)
  const connection = await connectThrough(socks, hostname, Number(port || 80))
  const html = await get(url, connection)
  return /<title>(.*?)<\/title>/s.exec(html)?.[1]
}

/** SOCKS 5 (RFC 1928) without authentication. Whether `host` is a name or an address, the proxy gets it as it is. */
export async function connectThrough(socks, host, port) {
  const socket = net.connect(socks.port, socks.host)
  const reply = (length) =>
    new Promise((resolve, reject) => {
      const take = () => {
        const bytes = socket.read(length)
        if (bytes === null) return
        socket.off('readable', take)
        resolve(bytes)
      }
      socket.on('readable', take)
      socket.once('error', reject)
      socket.once('end', () => reject(new Error('the proxy hung up')))
      take()
    })
  socket.write(Buffer.from([5, 1, 0]))
  if ((await reply(2))[1] !== 0) throw new Error('the proxy wants a password')
  const name = Buffer.from(host)
  socket.write(Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([port >> 8, port & 255])]))
  const [, status, , type] = await reply(4)
  if (status !== 0) throw new Error(`the proxy cannot reach ${host}: SOCKS reply ${status}`)
  await reply(type === 4 ? 18 : 6)
  return socket
}

export function get(url, connection) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { createConnection: () => connection }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
}
