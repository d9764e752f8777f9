/**
 * `relay-killed`: an exit that carries a stream crashes. The stream ends, the client gets another at once, consensuses no
 * longer list the relay once authorities have missed it for 45 minutes (dir-spec §3.4.2), and when it is back it is listed
 * again. Nobody waits for 45 minutes outside a simulation, so elsewhere that part is not looked at, which the evidence says.
 */

import { answerBytesMax } from '../limits.ts'
import { isRunning } from '../running-nodes.ts'
import type { Check } from './check.ts'
import { circuitOfStream, pathOf, relaysByFingerprint } from './circuits.ts'
import { needsOwnVotes, putBack, relaysListed } from './disturb.ts'
import { echoOnce } from './echo-once.ts'

const lookEveryMs = 300_000
/** Two hours: 45 minutes, a cycle of tests before and an interval of votes after. */
const looksMax = 24

export const relayKilled: Check = {
  name: 'relay-killed',
  summary: 'clients recover when a relay crashes, and the consensus leaves it out until it is back',
  tags: ['full', 'recovery'],
  disturbs: true,
  notFor: (network) =>
    needsOwnVotes(network) ??
    (network.nodes().filter((node) => node.role === 'exit').length < 2 ? 'the network has one exit only' : undefined),
  async run({ network, clients, sink, expect, log }) {
    const [client] = clients
    if (client === undefined) return []
    const server = await sink.echo()
    const stream = await client.connect(server.address)
    await echoOnce(stream, 'before')
    const names = await relaysByFingerprint(network)
    const exit = expect.defined(names.get(pathOf(client.name, await circuitOfStream(network, client.name, server.address)).at(-1) ?? ''), 'the stream leaves at a relay of the network')
    expect.equal(network.nodes().find((node) => node.name === exit)?.role, 'exit', `role of ${exit}, where the stream leaves`)
    try {
      await network.kill(exit)
      const killedMs = network.clock.now()
      // However it ends: with an END, or with a reset.
      await stream.readAll(answerBytesMax).catch(() => undefined)
      const closedMs = network.clock.now() - killedMs
      const again = await client.connect(server.address)
      await echoOnce(again, 'after')
      const recoveredMs = network.clock.now() - killedMs
      again.destroy()
      log(`${exit} killed: its stream ended after ${closedMs.toFixed(0)} ms, and ${client.name} had another after ${recoveredMs.toFixed(0)} ms`)

      const evidence = [`${exit} killed while it carried a stream of ${client.name}: the stream ended after ${closedMs.toFixed(0)} ms, the next worked after ${recoveredMs.toFixed(0)} ms`]

      if (network.world === 'simulated') {
        for (let look = 0; (await relaysListed(network)).has(exit); look++) {
          expect(look < looksMax, `the consensus still lists ${exit} as Running, ${((network.clock.now() - killedMs) / 60_000).toFixed(0)} minutes after it crashed`)
          await network.clock.sleep(lookEveryMs)
        }
        evidence.push(`the consensus leaves it out after ${((network.clock.now() - killedMs) / 60_000).toFixed(0)} minutes`)
        const last = await client.connect(server.address)
        await echoOnce(last, 'without it')
        last.destroy()
      } else {
        evidence.push(`that the consensus leaves it out takes authorities 45 minutes, and is looked at in simulations only`)
      }
      await putBack(network, [exit])
      expect((await relaysListed(network)).has(exit), `${exit} is back, and the consensus does not list it as Running`)
      evidence.push(`started again, ${exit} is listed as Running`)
      return evidence
    } finally {
      stream.destroy()
      if (!isRunning(network, exit)) await putBack(network, [exit])
    }
  },
}
