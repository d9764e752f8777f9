/**
 * How fast one stream runs through three hops when there is nothing else: client, guard, middle and exit in one process,
 * cells handed from machine to machine in memory. Prints megabytes a second of processor time, since other work may share the machine.
 *
 *     npx esbuild bench/circuit-throughput.ts --bundle --platform=node --format=esm --outfile=/tmp/bench.mjs && node /tmp/bench.mjs [megabytes] [runs]
 */

import { monotonicMs } from '../src/core/base/time.ts'
import { NetworkParameters } from '../src/core/netdir/parameters.ts'
import type { FlowParameters } from '../src/core/proto/flow/circuit-flow.ts'
import { congestionParameters } from '../src/node/flow-parameters.ts'
import { Chain } from '../test/core/proto/circuit/chain.ts'

const megabytes = Number(process.argv[2] ?? 32)
const runs = Number(process.argv[3] ?? 5)
const chunk = new Uint8Array(16_384)

function run(direction: 'download' | 'upload', flow: FlowParameters): number {
  const chain = new Chain(3, 'bench', flow).build()
  const client = chain.origin.edge().open({ kind: 'connect', host: 'example.com', port: 80, flags: 0 })
  chain.settle()
  const asked = chain.takeRelayEvents(2).find((output) => output.kind === 'stream-requested')
  if (asked === undefined) throw new Error('no stream')
  chain.relayCircuit(2).edge.accept(asked.stream)
  chain.settle()
  const total = megabytes * 1_000_000
  const [edge, stream] = direction === 'upload' ? ([chain.origin.edge(), client] as const) : ([chain.relayCircuit(2).edge, asked.stream] as const)
  let sent = 0
  let received = 0
  const begin = process.cpuUsage()
  while (received < total) {
    while (sent < total && edge.write(chain.now, stream, chunk)) sent += chunk.length
    chain.settle()
    chain.now = monotonicMs(chain.now + 1)
    for (const output of direction === 'upload' ? chain.takeRelayEvents(2) : chain.takeEvents()) if (output.kind === 'stream-data') received += output.chunk.length
    chain.log.length = 0
  }
  const used = process.cpuUsage(begin)
  return received / (used.user + used.system)
}

const flows = { windows: {}, vegas: { congestion: congestionParameters(new NetworkParameters()) } } as const

for (const direction of ['download', 'upload'] as const) {
  for (const [name, flow] of Object.entries(flows)) report(`${direction}, ${name}`, direction, flow)
}

function report(what: string, direction: 'download' | 'upload', flow: FlowParameters): void {
  const figures = Array.from({ length: runs }, () => run(direction, flow)).sort((a, b) => a - b)
  const median = figures[Math.floor(runs / 2)] ?? 0
  console.log(`${what}: ${median.toFixed(1)} MB/s median of ${runs} (${figures.map((each) => each.toFixed(1)).join(' ')})`)
}
