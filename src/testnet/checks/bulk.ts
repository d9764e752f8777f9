/**
 * `bulk`: ten megabytes each way at the same time on one stream, by SHA-256. One client of each kind of program carries
 * them: they are most of what a run computes, and two clients of one build would say the same twice. Every client has
 * traffic in `echo` and `concurrent`.
 */

import { createHash } from 'node:crypto'
import { hexEncode } from '../../core/base/encoding.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import type { WorldStream } from '../world-stream.ts'
import type { Check } from './check.ts'
import type { CheckClient } from './client.ts'
import { patternBytes } from './echo.ts'

const bulkBytes = 10 * 1024 * 1024
const chunkBytes = 16 * 1024
/** What other checks send at the same time would wait behind its megabytes. */
const ownCircuit = Object.freeze({ username: 'bulk', password: 'bulk' })

export const bulk: Check = makeBulkCheck(bulkBytes)

/** The same with another size, for simulations and tests. `idleMs` is how long nothing may come before bytes count as lost. */
export function makeBulkCheck(totalBytes: number, idleMs = 30_000): Check {
  return {
    name: 'bulk',
    summary: `${totalBytes / (1024 * 1024)} MB each way on one stream arrive whole`,
    tags: ['full', 'traffic'],
    besideOthers: true,
    async run({ network, clients, sink, expect }) {
      const server = await sink.echo()
      const evidence: string[] = []
      // One after another: two programs at once would share the machine, and neither figure would be its own.
      for (const client of oneOfEachProgram(network, clients)) {
        const { sent, received, receivedBytes, elapsedMs } = await transfer(network, client, await client.connect(server.address, ownCircuit), totalBytes, idleMs)
        expect.equal(receivedBytes, totalBytes, `bytes that came back to ${client.name}`)
        expect.equal(received, sent, `SHA-256 of what came back to ${client.name}`)
        evidence.push(`${client.name}: ${totalBytes} bytes each way, SHA-256 ${sent.slice(0, 16)}… both ways, ${(elapsedMs / 1000).toFixed(2)} s, ${((totalBytes / elapsedMs) * 1e-3).toFixed(1)} MB/s each way`)
      }
      return evidence
    },
  }
}

/** The first client of each implementation and build. */
function oneOfEachProgram(network: RunningNetwork, clients: readonly CheckClient[]): readonly CheckClient[] {
  const programs = new Map<string, CheckClient>()
  for (const client of clients) {
    const node = network.nodes().find(({ name }) => name === client.name)
    const program = JSON.stringify([node?.implementation, node?.tor, node?.core])
    if (!programs.has(program)) programs.set(program, client)
  }
  return [...programs.values()]
}

async function transfer(network: RunningNetwork, client: CheckClient, stream: WorldStream, totalBytes: number, idleMs: number): Promise<{ sent: string; received: string; receivedBytes: number; elapsedMs: number }> {
  const pattern = patternBytes(chunkBytes, client.name)
  const startMs = network.clock.now()
  const out = createHash('sha256')
  const write = async (): Promise<void> => {
    const first = new DataView(pattern.buffer)
    for (let at = 0; at < totalBytes; at += chunkBytes) {
      // The first bytes count, so that no two chunks are the same and a swap of two would be seen.
      first.setUint32(0, at)
      const chunk = pattern.subarray(0, totalBytes - at)
      out.update(chunk)
      await stream.write(chunk)
    }
  }
  const back = createHash('sha256')
  let receivedBytes = 0
  const read = async (): Promise<void> => {
    while (receivedBytes < totalBytes) {
      const cancel = network.clock.after(idleMs, () => stream.destroy())
      const chunk = await stream.read()
      cancel()
      if (chunk === undefined) return
      back.update(chunk)
      receivedBytes += chunk.length
    }
  }
  await Promise.all([write(), read()])
  // Not before: an END of Tor closes both directions (tor-spec §6.3), and what is on its way back would be lost.
  stream.end()
  return { sent: hexEncode(out.digest()), received: hexEncode(back.digest()), receivedBytes, elapsedMs: network.clock.now() - startMs }
}
