/** What a socket has brought and nobody has handled yet, joined as it comes, in buffers of the size of one chunk. */

import { BufferPool } from '../core/base/buffer-pool.ts'
import { copyBytes } from '../core/base/encoding.ts'
import { JoinedBytes } from './joined-bytes.ts'
import { hostLimits } from './limits.ts'

/** For all streams of a process. */
export const makeReadBuffers = (): BufferPool => new BufferPool(hostLimits.readChunkBytesMax, hostLimits.readBuffersKept)

export class IncomingBytes extends JoinedBytes {
  /** Lends `use` the first chunk, until it returns. Not to be called when nothing waits. */
  lendFirst(use: (chunk: Uint8Array) => void): void {
    const first = this.take()
    if (first === undefined) return
    const { buffer, length } = first
    use(length === buffer.length ? buffer : buffer.subarray(0, length))
    this.buffers.giveBack(buffer)
  }

  /** What waits for longer than a turn has no more memory than it needs. */
  shrink(): void {
    const last = this.waiting.at(-1)
    if (last === undefined || this.lastLength === last.length) return
    this.waiting[this.waiting.length - 1] = copyBytes(last.subarray(0, this.lastLength))
    this.buffers.giveBack(last)
  }
}

/**
 * Reads a socket that is yet to be made, with this as its option `onread`: without the streams of Node.js, of which each
 * piece would be an object with memory of its own. Only sockets that are dialled can have it.
 */
export class SocketReader {
  readonly incoming: IncomingBytes
  /** Told after more has come. */
  listener: (() => void) | undefined
  readonly onread: { readonly buffer: Uint8Array; readonly callback: (bytes: number, buffer: Uint8Array) => boolean }

  /** `space`: what is read goes there first, for all sockets alike. */
  constructor(buffers: BufferPool, space: Uint8Array) {
    this.incoming = new IncomingBytes(buffers)
    this.onread = {
      buffer: space,
      callback: (bytes) => {
        this.incoming.push(bytes === space.length ? space : space.subarray(0, bytes))
        this.listener?.()
        return true
      },
    }
  }
}
