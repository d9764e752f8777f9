/**
 * `no-relay-knows-both`: while a stream is open, no relay of its circuit holds both ends. The guard knows the client but
 * neither exit nor target, the exit knows the target but neither guard nor client, the middle knows neither end.
 *
 * The relays themselves are asked. C tor does not tell of circuits that pass through it, so where some relays are C tor,
 * circuits are opened until one has none of them, or enough were tried; of each, those relays are judged that can be asked.
 */

import { formatAddressPort } from '../../core/ident/address.ts'
import type { CircuitInspection } from '../../runtime/events.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { circuitsTriedMax } from '../limits.ts'
import { isRelay } from '../network-types.ts'
import type { Check, CheckContext } from './check.ts'
import { circuitOfStream, namesOf, pathOf, relaysByFingerprint } from './circuits.ts'
import { forEachClient, type CheckClient } from './client.ts'
import { CheckFailure } from './expect.ts'

export const noRelayKnowsBoth: Check = {
  name: 'no-relay-knows-both',
  summary: 'no relay of a circuit holds both the client and the target',
  tags: ['full', 'anonymity'],
  besideOthers: true,
  notFor: (network) =>
    network.nodes().some((node) => isRelay(node) && canBeAsked(network, node.name)) ? undefined : 'every relay is C tor, which tells its controller nothing of the circuits that pass through it',
  async run(context) {
    const names = await relaysByFingerprint(context.network)
    const unasked: string[] = []
    const evidence = await forEachClient(context.clients, async (client) => {
      const tries: CircuitEvidence[] = []
      while (tries.length < circuitsTriedMax && !tries.some((one) => one.isWhole)) tries.push(await judgeCircuit(context, client, names, tries.length))
      const whole = tries.find((one) => one.isWhole)
      const told = tries.map((one) => one.words).filter((words) => words !== '')
      if (whole !== undefined) return [`${client.name}: ${whole.words}`]
      if (told.length > 0) return [`${client.name}: no circuit of ${tries.length} had only relays that can be asked; ${told.join('; ')}`]
      unasked.push(`${client.name}: nothing shown, all relays of its ${tries.length} circuits are C tor and cannot be asked`)
      return []
    })
    // Without a relay that was asked there is no evidence at all, and the check has not passed.
    return evidence.length === 0 ? [] : [...evidence, ...unasked]
  },
}

interface CircuitEvidence {
  /** All its relays were asked. */
  readonly isWhole: boolean
  readonly words: string
}

/** What a relay says of a circuit: several of its circuits may fit where the node before it cannot be asked. */
interface RelayView {
  readonly relay: string
  readonly circuits: readonly CircuitInspection[]
}

async function judgeCircuit({ network, sink, expect, log }: CheckContext, client: CheckClient, names: ReadonlyMap<string, string>, round: number): Promise<CircuitEvidence> {
  const server = await sink.echo()
  const target = formatAddressPort(server.address)
  const stream = await client.connect(server.address, { username: 'both', password: `${client.name}${round}` })
  const circuit = await circuitOfStream(network, client.name, server.address)
  const hops = pathOf(client.name, circuit)
  log(`${client.name}: ${namesOf(hops, names)} → ${target}`)
  const relays = hops.map((hop) => names.get(hop) ?? hop)
  const views = await followCircuit(network, client.name, circuit, hops, relays, target)
  stream.destroy()

  const clientHost = network.placementOf(client.name).host
  // C tor connects from an address that all its nodes share, which proves nothing where it is seen.
  const tellingHost = network.placement.distinctAddresses && canBeAsked(network, client.name) ? clientHost : undefined
  for (const view of views) {
    for (const seen of view.circuits) {
      const knowsClient = seen.previous?.fingerprint === undefined
      const knowsTarget = seen.streams.some((one) => one.target === target)
      expect(!(knowsClient && knowsTarget), `${view.relay} holds both: it is first after ${clientHost} and has the stream to ${target}`)
      const text = JSON.stringify(seen)
      if (!knowsClient && tellingHost !== undefined) expect(!text.includes(`"${tellingHost}"`), `${view.relay} is not the guard, and its circuit names the client's address ${tellingHost}`)
      if (!knowsTarget) expect(!text.includes(target), `${view.relay} is not the exit, and its circuit names the target ${target}`)
    }
  }
  const asked = (index: number): boolean => views.some((view) => view.relay === relays[index])
  const [guard = '', middle = '', exit = ''] = relays
  if (asked(2)) expect(views.some((view) => view.relay === exit && view.circuits.some((one) => one.streams.some((open) => open.target === target))), `${exit} does not have the stream to ${target}`)
  const words = [
    ...(asked(0) ? [`${guard} knows ${clientHost} and ${middle}`] : []),
    ...(asked(1) ? [`${middle} knows ${guard} and ${exit}`] : []),
    ...(asked(2) ? [`${exit} knows ${middle} and ${target}`] : []),
  ]
  return { isWhole: views.length === hops.length, words: words.length === 0 ? '' : `${words.join('; ')}; none knows both ${clientHost} and ${target}` }
}

/** The circuit as those of its relays see it that can be asked, first to last. */
async function followCircuit(network: RunningNetwork, client: string, origin: CircuitInspection, hops: readonly string[], relays: readonly string[], target: string): Promise<RelayView[]> {
  const views: RelayView[] = []
  /** Circuit ids under which the node before may have it; undefined if that node does not tell. */
  let ids = origin.next === undefined ? undefined : new Set([origin.next.circuitId])
  for (const [index, relay] of relays.entries()) {
    if (!network.nodes().some((node) => node.name === relay)) throw new CheckFailure(`a relay of the circuit, ${relay}, is no running node of the network`)
    if (!canBeAsked(network, relay)) {
      ids = undefined
      continue
    }
    const before = hops[index - 1]
    const after = hops[index + 1]
    const circuits = (await network.inspect(relay)).circuits.filter((one) => {
      if (one.role !== 'relay' || one.previous === undefined || (ids !== undefined && !ids.has(one.previous.circuitId))) return false
      // Only relays prove who they are on a link; a client is known by the connection it has.
      if (one.previous.fingerprint !== before) return false
      if (before === undefined && network.placement.distinctAddresses && network.nodeAt(one.previous.remote, 'tcp') !== client) return false
      return after === undefined ? one.next === undefined && one.streams.some((stream) => stream.target === target) : one.next?.fingerprint === after
    })
    if (circuits.length === 0) throw new CheckFailure(`${relay} has no circuit of ${client} that fits ${relays.join(' → ')}`)
    views.push({ relay, circuits })
    ids = new Set(circuits.flatMap((one) => one.next?.circuitId ?? []))
  }
  return views
}

const canBeAsked = (network: RunningNetwork, name: string): boolean => network.nodes().find((node) => node.name === name)?.implementation === 'relish'
