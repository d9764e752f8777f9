/**
 * One simulated run, measured: the network starts, each client opens streams on circuits of their own and sends single
 * bytes there and back, then a megabyte comes down on one stream. Virtual times are exact, and the same for the same seed
 * and build; processor time is this process's.
 */

import { RelishError } from '../../core/base/errors.ts'
import { SimulatedNetwork } from '../backend/simulated.ts'
import { startUntilReady } from '../bootstrap.ts'
import { makeCheckClient, type CheckClient } from '../checks/client.ts'
import { makeSinkFactory } from '../checks/sink-factory.ts'
import { compareCircuits, compareClients, compareDownloadBytes, compareRoundTrips } from '../limits.ts'
import type { ResolvedNetwork } from '../network-types.ts'

/** What is measured, with its unit and whether more of it is better. */
export const figures = Object.freeze({
  start: { words: 'start, until all are ready', unit: 'ms', more: 'worse' },
  firstByte: { words: 'first byte back, from asking for a stream', unit: 'ms', more: 'worse' },
  roundTrip: { words: 'round trip of one byte', unit: 'ms', more: 'worse' },
  throughput: { words: 'one stream down', unit: 'kB/s', more: 'better' },
  cells: { words: 'cells on all links', unit: 'cells', more: 'worse' },
  cpu: { words: 'processor time', unit: 'ms', more: 'worse' },
} as const)

export type FigureName = keyof typeof figures
export type Figures = Readonly<Record<FigureName, number>>

const cellBytes = 514

export async function measureRun(network: ResolvedNetwork, seed: string): Promise<Figures> {
  const begin = process.cpuUsage()
  const simulated = await SimulatedNetwork.prepare({ network, seed })
  const measured = await simulated.drive(async () => {
    await startUntilReady(simulated)
    const start = simulated.clock.now()
    const sinks = makeSinkFactory(simulated, 'compare')
    const server = await sinks.echo()
    const clients = simulated.nodes().filter((node) => node.role === 'client').slice(0, compareClients).map((node) => makeCheckClient(simulated, node.name))
    if (clients.length === 0) throw new RelishError('config', `${network.name} has no client to measure with`)
    const visits: Visit[] = []
    for (const client of clients) for (let circuit = 0; circuit < compareCircuits; circuit++) visits.push(await visit(simulated, client, server.address, circuit))
    const throughput = await download(simulated, clients[0] as CheckClient, server.address)
    sinks.closeAll()
    return { start, firstByte: meanOf(visits.map((one) => one.firstByte)), roundTrip: meanOf(visits.map((one) => one.roundTrip)), throughput }
  })
  const cells = simulated.simulation.secureBytes / cellBytes
  await simulated.close()
  const bug = simulated.bugs()[0]
  if (bug !== undefined) throw bug.error.within(`${bug.node}, seed ${seed}`)
  const { user, system } = process.cpuUsage(begin)
  return { ...measured, cells, cpu: (user + system) / 1000 }
}

interface Visit {
  readonly firstByte: number
  readonly roundTrip: number
}

/** Each on a circuit of its own: streams with different credentials share none. */
async function visit(network: SimulatedNetwork, client: CheckClient, target: { readonly host: string; readonly port: number }, circuit: number): Promise<Visit> {
  const { clock } = network
  const beganMs = clock.now()
  const stream = await client.connect(target, { username: `compare ${circuit}` })
  await stream.write(Uint8Array.of(circuit))
  await stream.readExactly(1)
  const firstMs = clock.now()
  for (let i = 0; i < compareRoundTrips; i++) {
    await stream.write(Uint8Array.of(i))
    await stream.readExactly(1)
  }
  const roundTrip = (clock.now() - firstMs) / compareRoundTrips
  stream.end()
  return { firstByte: firstMs - beganMs, roundTrip }
}

async function download(network: SimulatedNetwork, client: CheckClient, target: { readonly host: string; readonly port: number }): Promise<number> {
  const stream = await client.connect(target, { username: 'compare download' })
  const beganMs = network.clock.now()
  const write = async (): Promise<void> => {
    for (let sent = 0; sent < compareDownloadBytes; sent += 16_384) await stream.write(new Uint8Array(16_384))
  }
  const read = async (): Promise<void> => {
    for (let got = 0; got < compareDownloadBytes; ) got += (await stream.read())?.length ?? Number.POSITIVE_INFINITY
  }
  await Promise.all([write(), read()])
  const elapsedMs = network.clock.now() - beganMs
  stream.end()
  return compareDownloadBytes / Math.max(elapsedMs, 0.001)
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
