// The same application with two mistakes that are easily made, and that no user would notice.
import { Resolver } from 'node:dns/promises'
import net from 'node:net'
import { connectThrough, get } from './page-title.js'

/** Looks the name up itself: whoever runs the name server learns who is visited. `nameServer` is what a computer has in resolv.conf. */
export async function lookingUp(url, socks, nameServer) {
  const { hostname, port } = new URL(url)
  const resolver = new Resolver()
  resolver.setServers([`${nameServer.host}:${nameServer.port}`])
  const [address] = await resolver.resolve4(hostname)
  return get(url, await connectThrough(socks, address, Number(port)))
}

/** Goes there directly when the proxy does not work: the server learns who comes. */
export async function fallingBack(url, socks, address) {
  const { hostname, port } = new URL(url)
  const connection = await connectThrough({ host: socks.host, port: 1 }, hostname, Number(port)).catch(() => net.connect(Number(port), address))
  return get(url, connection)
}
