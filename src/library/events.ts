/** Events of a network as an async iterable and for typed listeners. */

import type { NodeEvent } from '../runtime/events.ts'
import type { NodeEventRecord, RunningNetwork } from '../testnet/backend/backend.ts'
import type { NetworkEvent, NetworkEvents } from './api.ts'
import { eventsBufferedMax } from './limits.ts'
import type { During } from './world-duplex.ts'

const flat = ({ node, atMs, event }: NodeEventRecord): NetworkEvent => ({ ...event, node, atMs })

export class LibraryEvents implements NetworkEvents {
  readonly #network: RunningNetwork
  readonly #during: During
  readonly #loops = new Set<EventLoop>()
  #closed = false

  constructor(network: RunningNetwork, during: During) {
    this.#network = network
    this.#during = during
  }

  on(kind: '*', listener: (event: NetworkEvent) => void): () => void
  on<Kind extends NodeEvent['kind']>(kind: Kind, listener: (event: NetworkEvent<Kind>) => void): () => void
  on(kind: NodeEvent['kind'] | '*', listener: (event: NetworkEvent<never>) => void): () => void {
    return this.#network.onEvent((record) => {
      if (kind === '*' || record.event.kind === kind) listener(flat(record) as NetworkEvent<never>)
    })
  }

  [Symbol.asyncIterator](): AsyncIterator<NetworkEvent> {
    const loop = new EventLoop(this.#during, (take) => this.#network.onEvent((record) => take(flat(record))), () => this.#loops.delete(loop))
    if (this.#closed) loop.end()
    else this.#loops.add(loop)
    return loop
  }

  /** Ends all loops. */
  close(): void {
    this.#closed = true
    for (const loop of [...this.#loops]) loop.end()
  }
}

/** One `for await` over events. */
class EventLoop implements AsyncIterator<NetworkEvent> {
  readonly #during: During
  readonly #unsubscribe: () => void
  readonly #onEnd: () => void
  readonly #held: NetworkEvent[] = []
  readonly #waiting: ((result: IteratorResult<NetworkEvent>) => void)[] = []
  #ended = false

  constructor(during: During, subscribe: (take: (event: NetworkEvent) => void) => () => void, onEnd: () => void) {
    this.#during = during
    this.#onEnd = onEnd
    this.#unsubscribe = subscribe((event) => this.#take(event))
  }

  next(): Promise<IteratorResult<NetworkEvent>> {
    const event = this.#held.shift()
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return this.#during(
      new Promise((resolve) => {
        this.#waiting.push(resolve)
      }),
    )
  }

  return(): Promise<IteratorResult<NetworkEvent>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#unsubscribe()
    this.#onEnd()
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined })
  }

  #take(event: NetworkEvent): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting({ done: false, value: event })
      return
    }
    this.#held.push(event)
    if (this.#held.length > eventsBufferedMax) this.#held.shift()
  }
}
