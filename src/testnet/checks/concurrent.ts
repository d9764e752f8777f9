/** `concurrent`: fifty streams of one client at the same time, none of which gets another one's bytes. */

import { bytesEqual } from '../../core/base/encoding.ts'
import type { Check } from './check.ts'
import { forEachClient } from './client.ts'
import { patternBytes } from './echo.ts'

const streamsAtOnce = 50
const bytesEach = 20_000

export const concurrent: Check = {
  name: 'concurrent',
  summary: `${streamsAtOnce} streams of one client at once keep apart`,
  tags: ['full', 'traffic'],
  besideOthers: true,
  async run({ network, clients, sink, expect }) {
    return forEachClient(clients, async (client) => {
      const server = await sink.echo()
      const startMs = network.clock.now()
      const streams = await Promise.all(Array.from({ length: streamsAtOnce }, () => client.connect(server.address)))
      await Promise.all(
        streams.map(async (stream, index) => {
          const sent = patternBytes(bytesEach, `${client.name}/${index}`)
          const [got] = await Promise.all([stream.readExactly(bytesEach), stream.write(sent.slice())])
          expect(bytesEqual(got, sent), `stream ${index} of ${client.name} got bytes it did not send`)
        }),
      )
      // Only what has sent bytes is sure to have been accepted by the server.
      expect.equal(server.visits.length, streamsAtOnce, `connections that the server has of ${client.name} while all are open`)
      for (const stream of streams) stream.destroy()
      return [`${client.name}: ${streamsAtOnce} streams open at once, ${bytesEach} bytes each way on each, ${(network.clock.now() - startMs).toFixed(0)} ms`]
    })
  },
}
