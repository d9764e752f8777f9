/**
 * A byte stream of any world with promises, for sinks and checks: read what comes, write with back pressure, know how it
 * ended. It stands on the Runtime's streams, so that it waits for the world's own clock and network only.
 */

import { concatBytes } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { durationMs } from '../core/base/time.ts'
import type { ByteStream, Network, SocketAddress } from '../runtime/index.ts'
import { streamReadAheadBytes } from './limits.ts'

export class WorldStream {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #stream: ByteStream
  #chunks: Uint8Array[] = []
  #buffered = 0
  #paused = false
  #ended = false
  #closed = false
  #error: RelishError | undefined
  #onReadable: (() => void)[] = []
  #onWritable: (() => void)[] = []
  #onClosed: (() => void)[] = []

  /** Takes over a stream that nobody has started. */
  constructor(stream: ByteStream) {
    this.#stream = stream
    this.local = stream.local
    this.remote = stream.remote
    stream.start({
      onData: (chunk) => {
        // The array is the receiver's only during the call.
        this.#chunks.push(chunk.slice())
        this.#buffered += chunk.length
        if (this.#buffered > streamReadAheadBytes && !this.#paused) {
          this.#paused = true
          stream.pauseReading()
        }
        this.#wake('#onReadable')
      },
      onEnd: () => {
        this.#ended = true
        this.#wake('#onReadable')
      },
      onDrain: () => this.#wake('#onWritable'),
      onClose: (error) => {
        this.#closed = true
        this.#error = error
        this.#wake('#onReadable')
        this.#wake('#onWritable')
        this.#wake('#onClosed')
      },
    })
  }

  #wake(which: '#onReadable' | '#onWritable' | '#onClosed'): void {
    const waiting = which === '#onReadable' ? this.#onReadable : which === '#onWritable' ? this.#onWritable : this.#onClosed
    if (which === '#onReadable') this.#onReadable = []
    else if (which === '#onWritable') this.#onWritable = []
    else this.#onClosed = []
    for (const resume of waiting) resume()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Resolves when the stream is closed, with the error if there was one. */
  async closed(): Promise<RelishError | undefined> {
    while (!this.#closed) await new Promise<void>((resume) => this.#onClosed.push(resume))
    return this.#error
  }

  /** The next bytes; undefined at the end. Throws if the stream broke. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#buffered -= chunk.length
        if (this.#paused && this.#buffered <= streamReadAheadBytes / 2) {
          this.#paused = false
          this.#stream.resumeReading()
        }
        return chunk
      }
      if (this.#ended) return undefined
      if (this.#closed) {
        if (this.#error !== undefined) throw this.#error
        return undefined
      }
      await new Promise<void>((resume) => this.#onReadable.push(resume))
    }
  }

  /** Puts bytes back, to be read next. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#chunks.unshift(bytes)
    this.#buffered += bytes.length
  }

  /** Exactly `length` bytes. Throws `unavailable` if the stream ends before. */
  async readExactly(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let have = 0
    while (have < length) {
      const chunk = await this.read()
      if (chunk === undefined) throw new RelishError('unavailable', `the stream ended after ${have} of ${length} bytes`)
      const take = Math.min(chunk.length, length - have)
      parts.push(chunk.subarray(0, take))
      have += take
      this.unread(chunk.subarray(take))
    }
    return concatBytes(parts)
  }

  /** Everything until the end, at most `limit` bytes. */
  async readAll(limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let have = 0
    for (;;) {
      const chunk = await this.read()
      if (chunk === undefined) return concatBytes(parts)
      have += chunk.length
      if (have > limit) throw new RelishError('limit', `more than ${limit} bytes came`)
      parts.push(chunk)
    }
  }

  /** Resolves when more may be written. Throws if the stream is closed. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#closed) throw this.#error ?? new RelishError('unavailable', 'the stream is closed')
    if (this.#stream.write(chunk)) return
    await new Promise<void>((resume) => this.#onWritable.push(resume))
  }

  end(): void {
    if (!this.#closed) this.#stream.end()
  }

  destroy(): void {
    if (!this.#closed) this.#stream.destroy()
  }
}

/** Connects from `localHost` to `target`. */
export function dialStream(network: Network, target: SocketAddress, localHost: string | undefined, timeoutMs: number): Promise<WorldStream> {
  return new Promise((resolve, reject) => {
    network.dial(
      { target, ...(localHost === undefined ? {} : { localHost }), timeout: durationMs(timeoutMs) },
      { onConnect: (stream) => resolve(new WorldStream(stream)), onError: reject },
    )
  })
}

export interface WorldListener {
  readonly address: SocketAddress
  close(): void
}

/** Listens on a free port of `host`; `onConnection` may be asynchronous, and its failure closes its stream. */
export function listenStreams(network: Network, host: string, onConnection: (stream: WorldStream) => Promise<void>, port = 0): Promise<WorldListener> {
  return new Promise((resolve, reject) => {
    const listener = network.listen(
      { host, port },
      {
        onListening: (address) => resolve({ address, close: () => listener.close() }),
        onConnection: (stream) => {
          const wrapped = new WorldStream(stream)
          onConnection(wrapped).catch(() => wrapped.destroy())
        },
        onError: reject,
      },
    )
  })
}
