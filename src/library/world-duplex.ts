/** A stream of any world as a stream of Node.js. */

import { Duplex } from 'node:stream'
import type { WorldStream } from '../testnet/world-stream.ts'

/** Lets time pass in a simulation while a promise is waited for. */
export type During = <T>(promise: Promise<T>) => Promise<T>

export class WorldDuplex extends Duplex {
  readonly #stream: WorldStream
  readonly #during: During

  /** `during`: whoever reads or writes makes time pass. A server's side does not: its client waits. */
  constructor(stream: WorldStream, during: During, allowHalfOpen: boolean) {
    super({ allowHalfOpen, emitClose: true })
    this.#stream = stream
    this.#during = during
    // A stream that breaks while nobody reads is broken all the same.
    void stream.closed().then((error) => {
      if (error !== undefined) this.destroy(error)
    })
  }

  override _read(): void {
    this.#during(this.#stream.read()).then(
      (chunk) => this.push(chunk ?? null),
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    )
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // The stream takes over what it is given, and a caller may use its buffer again.
    this.#during(this.#stream.write(Uint8Array.from(chunk))).then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    )
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // After an orderly end what was written last may still be on its way.
    if (!(error === null && this.writableFinished && this.readableEnded)) this.#stream.destroy()
    done(error)
  }
}
