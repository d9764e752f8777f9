/** The streams at one end of a circuit, by stream id: live ones, and halves of those that this end has ended. */

import { RelishError } from '../../base/errors.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { HALF_STREAMS_PER_CIRCUIT_MAX, STREAMS_PER_CIRCUIT_MAX } from './limits.ts'
import { HalfStream, type Stream } from './stream.ts'

export class StreamMap {
  readonly #live = new Map<number, Stream>()
  /** In the order they were ended. */
  readonly #halves = new Map<number, HalfStream>()
  #nextId: number

  /** `firstId`: where this end starts to hand out ids; drawn at random, since ids tell how busy a circuit was. */
  constructor(firstId: number) {
    this.#nextId = firstId
  }

  get size(): number {
    return this.#live.size
  }

  get halfCount(): number {
    return this.#halves.size
  }

  get(id: number): Stream | undefined {
    return this.#live.get(id)
  }

  half(id: number, now: MonotonicMs): HalfStream | undefined {
    const half = this.#halves.get(id)
    if (half?.expiresAt === undefined || now < half.expiresAt) return half
    this.#halves.delete(id)
    return undefined
  }

  streams(): Iterable<Stream> {
    return this.#live.values()
  }

  /** An id that neither a live nor a half stream has. Throws `limit` when the circuit has all the streams it may. */
  allocateId(): number {
    if (this.#live.size >= STREAMS_PER_CIRCUIT_MAX) throw new RelishError('limit', `the circuit has its limit of ${STREAMS_PER_CIRCUIT_MAX} streams`)
    // Live and half streams together are far fewer than ids, so this ends.
    for (;;) {
      const id = this.#nextId
      this.#nextId = id >= 0xffff ? 1 : id + 1
      if (id !== 0 && !this.#live.has(id) && !this.#halves.has(id)) return id
    }
  }

  get isFull(): boolean {
    return this.#live.size >= STREAMS_PER_CIRCUIT_MAX
  }

  add(stream: Stream): void {
    this.#live.set(stream.id, stream)
    // A peer that reuses an id has seen our END.
    this.#halves.delete(stream.id)
  }

  /** Takes a stream out; its id is free. */
  remove(stream: Stream): void {
    if (this.#live.get(stream.id) === stream) this.#live.delete(stream.id)
  }

  /** Takes a stream out that this end has ended, and leaves its half. To be called before its state changes. `expiresAt`: for streams without windows. */
  halve(stream: Stream, expiresAt: MonotonicMs): void {
    this.remove(stream)
    this.#halves.set(stream.id, new HalfStream(stream, expiresAt))
    if (this.#halves.size > HALF_STREAMS_PER_CIRCUIT_MAX) {
      for (const oldest of this.#halves.keys()) {
        this.#halves.delete(oldest)
        break
      }
    }
  }

  removeHalf(id: number): void {
    this.#halves.delete(id)
  }
}
