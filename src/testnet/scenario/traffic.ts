/**
 * What applications do while faults happen: every client sends streams of some kilobytes to a server that sends them back,
 * one after another, as long as told. A stream may fail; bytes that come back must be those that were sent.
 */

import { bytesEqual } from '../../core/base/encoding.ts'
import { randomBelow, SeededRng } from '../../core/base/rng.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { makeCheckClient, type CheckClient } from '../checks/client.ts'
import type { InvariantMonitor } from '../invariant/monitor.ts'
import { trafficPauseMs, trafficStreamBytesMax, trafficStreamTimeoutMs } from '../limits.ts'
import { openEchoSink, type Sink } from '../sink/sinks.ts'

export interface TrafficCount {
  streams: number
  failed: number
}

export class Traffic {
  readonly #network: RunningNetwork
  readonly #invariants: InvariantMonitor
  readonly #seed: string
  readonly count: TrafficCount = { streams: 0, failed: 0 }
  #ends = false

  constructor(network: RunningNetwork, invariants: InvariantMonitor, seed: string) {
    this.#network = network
    this.#invariants = invariants
    this.#seed = seed
  }

  /** Resolves some time after `end`, when the last streams are over. */
  async run(): Promise<void> {
    const network = this.#network
    const sink = await openEchoSink(network.observer, network.placement.observerHost, () => network.clock.now())
    const clients = network.nodes().filter((node) => node.role === 'client')
    await Promise.all(clients.map((node) => this.#loop(makeCheckClient(network, node.name), sink)))
    sink.close()
  }

  end(): void {
    this.#ends = true
  }

  async #loop(client: CheckClient, sink: Sink): Promise<void> {
    const rng = new SeededRng(`${this.#seed}\ntraffic of ${client.name}`)
    while (!this.#ends) {
      this.count.streams++
      const bytes = rng.bytes(1 + randomBelow(rng, trafficStreamBytesMax))
      if (!(await sendAndCompare(this.#network, client, sink, bytes, this.#invariants))) this.count.failed++
      await this.#network.clock.sleep(randomBelow(rng, trafficPauseMs))
    }
  }
}

/** Whether the bytes came back, in time. */
export async function sendAndCompare(network: RunningNetwork, client: CheckClient, sink: Sink, bytes: Uint8Array, invariants: InvariantMonitor): Promise<boolean> {
  let giveUp: () => void = () => undefined
  const expired = new Promise<false>((resolve) => {
    giveUp = () => resolve(false)
  })
  const cancel = network.clock.after(trafficStreamTimeoutMs, giveUp)
  let close: () => void = () => undefined
  const exchange = async (): Promise<boolean> => {
    const stream = await client.connect(sink.address)
    close = () => stream.destroy()
    await stream.write(bytes.slice())
    const back = await stream.readExactly(bytes.length)
    stream.end()
    if (!bytesEqual(back, bytes)) invariants.report('bytes-in-order', client.name, 'an application got back other bytes than it had sent')
    return true
  }
  const came = await Promise.race([exchange().catch(() => false), expired])
  cancel()
  close()
  return came
}
