/**
 * `no-relay-knows-both`: while a stream is open, no relay of its circuit holds both ends. The guard knows the client but
 * neither exit nor target, the exit knows the target but neither guard nor client, the middle knows neither end.
 */

import { formatAddressPort } from '../../core/ident/address.ts'
import type { CircuitInspection, CircuitSideInspection } from '../../runtime/events.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import type { Check } from './check.ts'
import { circuitOfStream, namesOf, pathOf, relaysByFingerprint } from './circuits.ts'
import { CheckFailure } from './expect.ts'

export const noRelayKnowsBoth: Check = {
  name: 'no-relay-knows-both',
  summary: 'no relay of a circuit holds both the client and the target',
  tags: ['full', 'anonymity'],
  async run({ network, clients, sink, expect, log }) {
    const server = await sink.echo()
    const names = await relaysByFingerprint(network)
    const target = formatAddressPort(server.address)
    const evidence: string[] = []
    for (const client of clients) {
      const stream = await client.connect(server.address, { username: 'both', password: client.name })
      const circuit = await circuitOfStream(network, client.name, server.address)
      const hops = pathOf(client.name, circuit)
      log(`${client.name}: ${namesOf(hops, names)} → ${target}`)
      const clientHost = network.placementOf(client.name).host
      const foreign = hops.filter((hop) => network.nodes().find((node) => node.name === names.get(hop))?.implementation !== 'relish')
      if (foreign.length === 0) {
        const views = await followCircuit(network, client.name, circuit, hops, names)
        for (const view of views) {
          const knowsClient = view.previousFingerprint === undefined
          const knowsTarget = view.circuit.streams.some((one) => one.target === target)
          expect(!(knowsClient && knowsTarget), `${view.relay} holds both: it is first after ${clientHost} and has the stream to ${target}`)
          const text = JSON.stringify(view.circuit)
          if (!knowsClient && network.placement.distinctAddresses) expect(!text.includes(`"${clientHost}"`), `${view.relay} is not the guard, and its circuit names the client's address ${clientHost}`)
          if (!knowsTarget) expect(!text.includes(target), `${view.relay} is not the exit, and its circuit names the target ${target}`)
        }
        expect.equal(views.length, 3, `relays at which the circuit of ${client.name} was found`)
        const [guard, middle, exit] = views
        if (guard === undefined || middle === undefined || exit === undefined) continue
        expect(exit.circuit.streams.some((one) => one.target === target), `${exit.relay} does not have the stream to ${target}`)
        evidence.push(
          `${client.name}: ${guard.relay} knows ${clientHost} and ${middle.relay}; ${middle.relay} knows ${guard.relay} and ${exit.relay}; ${exit.relay} knows ${middle.relay} and ${target}; none knows both ${clientHost} and ${target}`,
        )
      }
      stream.destroy()
    }
    return evidence
  },
}

interface RelayView {
  readonly relay: string
  readonly circuit: CircuitInspection
  /** The relay it came from; undefined if that was no relay, that is, a client. */
  readonly previousFingerprint: string | undefined
}

/** The circuit as each of its relays sees it, first to last, found by channel and circuit id from the client on. */
async function followCircuit(network: RunningNetwork, client: string, origin: CircuitInspection, hops: readonly string[], names: ReadonlyMap<string, string>): Promise<RelayView[]> {
  const views: RelayView[] = []
  let from: { name: string; side: CircuitSideInspection | undefined } = { name: client, side: origin.next }
  for (const hop of hops) {
    const relay = names.get(hop)
    if (relay === undefined) throw new CheckFailure(`a relay of the circuit, ${hop}, is no running node of the network`)
    if (from.side === undefined) throw new CheckFailure(`${from.name} does not say where its circuit goes on`)
    const [inspection, sender] = await Promise.all([network.inspect(relay), network.inspect(from.name)])
    const { circuitId } = from.side
    const sentFrom = sender.fingerprint
    const found = inspection.circuits.filter((one) => {
      if (one.role !== 'relay' || one.previous?.circuitId !== circuitId) return false
      // Only relays prove who they are on a link; a client is known by the address it comes from.
      return from.name === client ? one.previous.fingerprint === undefined : one.previous.fingerprint === sentFrom
    })
    const circuit = found.find((one) => network.placement.distinctAddresses === false || one.previous?.remote.host === network.placementOf(from.name).host) ?? found[0]
    if (circuit === undefined) throw new CheckFailure(`${relay} has no circuit with id ${circuitId} from ${from.name}`)
    views.push({ relay, circuit, previousFingerprint: circuit.previous?.fingerprint })
    from = { name: relay, side: circuit.next }
  }
  return views
}
