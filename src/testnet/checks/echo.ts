/** `echo`: what a client sends through the network comes back as it was, from every client to every kind of address. */

import { bytesEqual, latin1Encode, utf8Encode } from '../../core/base/encoding.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import type { Check } from './check.ts'

const linesSent = 20

export const echo: Check = {
  name: 'echo',
  summary: 'bytes sent by a client come back from a server unchanged',
  tags: ['smoke', 'traffic'],
  async run({ network, clients, sink, expect }) {
    const server = await sink.echo()
    const named = { host: sink.name([server.address.host]), port: server.address.port }
    const evidence: string[] = []
    await Promise.all(
      clients.flatMap((client) =>
        [server.address, named].map(async (target) => {
          const startMs = network.clock.now()
          const stream = await client.connect(target)
          const firstMs = network.clock.now()
          let bytes = 0
          for (let line = 0; line < linesSent; line++) {
            const sent = utf8Encode(`${client.name} ${line} ${'x'.repeat(line * 97)}\n`)
            await stream.write(sent.slice())
            expect(bytesEqual(await stream.readExactly(sent.length), sent), `line ${line} of ${client.name} came back changed`)
            bytes += sent.length
          }
          stream.end()
          expect.equal((await stream.readAll(1)).length, 0, 'the server sends nothing more than it got')
          const elapsed = network.clock.now() - firstMs
          evidence.push(`${client.name} → ${formatAddressPort(target)}: ${bytes} bytes there and back in ${linesSent} turns, ${(elapsed / linesSent).toFixed(1)} ms each, connected in ${(firstMs - startMs).toFixed(0)} ms`)
        }),
      ),
    )
    return evidence.sort()
  },
}

/** Bytes that are the same for everybody who computes them: `length` bytes of a pattern that does not repeat soon. */
export function patternBytes(length: number, salt: string): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = latin1Encode(salt).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 1) || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}
