/**
 * `policies`: each exit lets out what its torrc says and nothing else. Ports at which policies of the network differ, or
 * which they name, are asked for from a client: the stream must leave at an exit that accepts the port, and be refused
 * where none does.
 */

import { ExitPolicy } from '../../core/netdoc/exit-policy.ts'
import { SocksStatus } from '../../core/socks/message.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { SocksRefusal } from '../socks-client.ts'
import { runningNodes } from '../running-nodes.ts'
import type { Check, CheckContext } from './check.ts'
import { circuitOfStream, pathOf, relaysByFingerprint } from './circuits.ts'
import type { CheckClient } from './client.ts'
import { CheckFailure } from './expect.ts'

/** Ports asked for, of those that policies name. */
const portsMax = 12
/** How often each is asked for, on circuits of their own; more often where exits differ, so that each of them has its turn. */
const streamsEach = 4
const streamsForEachExit = 4
const streamsMax = 32

export const policies: Check = {
  name: 'policies',
  summary: 'streams leave at exits whose policy accepts the port, and nowhere else',
  tags: ['full', 'policy'],
  async run(context) {
    const { network, clients } = context
    const exits = policiesOf(network)
    const names = await relaysByFingerprint(network)
    const evidence: string[] = []
    for (const client of clients) {
      for (const port of portsToAsk(network, exits)) evidence.push(await askFor(context, client, port, exits, names))
    }
    return evidence
  },
}

/** What each exit's torrc says of IPv4: the lines of its policy, first match first. */
function policiesOf(network: RunningNetwork): ReadonlyMap<string, ExitPolicy> {
  const exits = runningNodes(network).filter((node) => node.role === 'exit')
  return new Map(
    exits.map((node) => {
      const lines = network.torrcOf(node.name).split('\n').flatMap((line) => /^\s*ExitPolicy\s+(.*?)\s*(?:#.*)?$/i.exec(line)?.[1] ?? [])
      return [node.name, ExitPolicy.parse(lines.join(','))]
    }),
  )
}

/** Both sides of every edge of a port range that a policy has; 1 is where ranges over all ports begin. */
function portsToAsk(network: RunningNetwork, exits: ReadonlyMap<string, ExitPolicy>): number[] {
  const edges = new Set<number>()
  for (const policy of exits.values()) {
    for (const { ports } of policy.rules) for (const port of [ports.low - 1, ports.low, ports.high, ports.high + 1]) if (port > 1 && port < 65535) edges.add(port)
  }
  const host = network.placement.observerHost
  // Those at which exits differ come first.
  const differ = (port: number): boolean => new Set([...exits.values()].map((policy) => policy.allows(host, port))).size > 1
  return [...edges].sort((a, b) => Number(differ(b)) - Number(differ(a)) || a - b).slice(0, portsMax)
}

async function askFor({ network, sink, expect }: CheckContext, client: CheckClient, port: number, exits: ReadonlyMap<string, ExitPolicy>, names: ReadonlyMap<string, string>): Promise<string> {
  const host = network.placement.observerHost
  const accepting = [...exits].filter(([, policy]) => policy.allows(host, port)).map(([name]) => name)
  const server = await sink.echo(host, port).catch(() => undefined)
  const outcomes: string[] = []
  const rounds = accepting.length === 0 || accepting.length === exits.size ? streamsEach : Math.min(streamsForEachExit * exits.size, streamsMax)
  for (let round = 0; round < rounds; round++) {
    const outcome = await connectOnce(network, client, { host, port }, round, names)
    if (outcome.kind === 'refused-by-network') {
      expect(accepting.length === 0, `${client.name}: port ${port} is refused (${outcome.words}), although ${accepting.join(', ')} let it out`)
      outcomes.push('refused')
      break
    }
    expect(accepting.length > 0, `${client.name}: port ${port} is let out${outcome.exit === undefined ? '' : ` by ${outcome.exit}`}, although every policy rejects it`)
    if (outcome.exit !== undefined) expect.oneOf(outcome.exit, accepting, `${client.name}: exit of a stream to port ${port}`)
    outcomes.push(outcome.exit ?? 'let out, and nobody listens there')
  }
  server?.close()
  return `${client.name}: port ${port}, accepted by ${accepting.join(', ') || 'no exit'}: ${[...new Set(outcomes)].join(', ')}`
}

type Attempt = { readonly kind: 'let-out'; readonly exit: string | undefined } | { readonly kind: 'refused-by-network'; readonly words: string }

async function connectOnce(network: RunningNetwork, client: CheckClient, target: { host: string; port: number }, round: number, names: ReadonlyMap<string, string>): Promise<Attempt> {
  try {
    const stream = await client.connect(target, { username: 'policies', password: String(round) })
    const exit = names.get(pathOf(client.name, await circuitOfStream(network, client.name, target)).at(-1) ?? '')
    stream.destroy()
    await stream.closed()
    if (exit === undefined) throw new CheckFailure(`${client.name}: a stream to port ${target.port} leaves at no relay of the network`)
    return { kind: 'let-out', exit }
  } catch (error) {
    if (!(error instanceof SocksRefusal)) throw error
    // Where nobody listens, only an exit that tried can know it.
    if (error.code === SocksStatus.CONNECTION_REFUSED) return { kind: 'let-out', exit: undefined }
    return { kind: 'refused-by-network', words: SocksStatus.nameOf(error.code) }
  }
}
