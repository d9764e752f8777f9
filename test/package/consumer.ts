// The same in TypeScript: only its types are looked at.
import type { Duplex } from 'node:stream'
import { launch, RelishError, WaitTimeoutError, type CheckResult, type Network, type NetworkFile, type NodeInspection, type Sink } from 'tor-relish'
import { useTor } from 'tor-relish/node-test'
import { torTest } from 'tor-relish/vitest'

const file: NetworkFile = { nodes: [{ role: 'authority', count: 3 }, { role: 'exit', count: 2, torrc: { BandwidthRate: '5 MB' } }, { role: 'client' }] }

export async function use(): Promise<string> {
  await using net: Network = await launch(file, { world: 'simulated', seed: 7, set: { exit: 3 } })
  await using sink: Sink = await net.sink({ respond: ({ path, body }) => ({ status: 200, body: `${path} ${body.length}` }) })
  const response: Response = await net.client('client').fetch(new URL(sink.url()), { method: 'POST', body: 'x' })
  const stream: Duplex = await net.client().connect(sink.name, sink.echoPort)
  stream.end()
  const inspection: NodeInspection = await net.node('exit1').inspect()
  net.events.on('stage', ({ node, stage, waitingFor }) => `${node} ${stage} ${waitingFor ?? ''}`)
  for await (const event of net.events) if (event.kind === 'warning') throw new Error(event.message)
  const results: readonly CheckResult[] = await net.verify({ only: ['echo'] })
  try {
    await net.waitFor({ node: 'exit1', stage: 'ready' }, { timeout: 1000 })
  } catch (error) {
    if (error instanceof WaitTimeoutError) return error.missing
    if (error instanceof RelishError && error.kind === 'config') return error.hint ?? ''
  }
  // @ts-expect-error: there is no such world.
  await launch('basic', { world: 'elsewhere' })
  // @ts-expect-error: authorities cannot be added.
  await net.add({ role: 'authority' })
  for (const visit of sink.visits) {
    // @ts-expect-error: only requests have a path.
    String(visit.path)
    if (visit.kind === 'http') return visit.path
  }
  return `${response.status} ${inspection.nickname} ${results.length}`
}

const test = torTest('basic', { world: 'inline', scope: 'worker' })
test('gets a network', async ({ tor, expect }) => {
  expect(tor.name satisfies string).toBe('basic')
})
export const fixture = useTor('basic-min')
export const named: () => string = () => fixture.tor.name
