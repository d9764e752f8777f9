// A check of one's own: an ES module whose default export gets the running network and says what it found.
//   network  everything of the run: nodes, inspect, command, kill, events
//   clients  each with connect, fetch, resolve, and socks, the address for any application
//   sink     servers that remember who came
//   $        zx: runs any program, `await $`curl …``
//   expect   expect(condition, words), expect.equal(found, expected, words)
//   log      a line for whoever watches
export const name = 'web'
export const summary = 'an application fetches a page through SOCKS, and the server sees an exit'

export default async ({ network, clients, sink, $, expect, log }) => {
  const server = await sink.http()
  const evidence = []
  for (const client of clients) {
    const url = `http://${server.address.host}:${server.address.port}/page-of-${client.name}`
    log(`${client.name} fetches ${url}`)
    const { stdout } = await $`curl --silent --show-error --max-time 30 --socks5-hostname ${client.socks.host}:${client.socks.port} ${url}`

    // The server answers with the address it was visited from.
    const visitor = stdout.trim()
    const exits = network.nodes().filter((node) => node.role === 'exit')
    const exit = exits.find((node) => network.placementOf(node.name).host === visitor)
    expect(exit !== undefined, `the server was visited from ${visitor}, which is no exit`)
    expect.equal(server.visits.length, evidence.length + 1, 'visits of the server')
    evidence.push(`curl through ${client.name} got the page; the server saw ${exit.name} at ${visitor}`)
  }
  return evidence
}
