/**
 * What a stream has still to write, joined as it comes, in buffers of the size of one call into the operating system. A few bytes,
 * as a cell that travels alone, have no large buffer to themselves.
 */

import { BufferPool } from '../core/base/buffer-pool.ts'
import { bytesToFill } from '../core/base/encoding.ts'
import { JoinedBytes } from './joined-bytes.ts'
import { hostLimits } from './limits.ts'

/** For all streams of a process. */
export const makeWriteBuffers = (): BufferPool => new BufferPool(hostLimits.joinedWriteBytesMax, hostLimits.writeBuffersKept)

export class OutgoingBytes extends JoinedBytes {
  protected override roomFor(bytes: number): Uint8Array {
    const last = this.waiting.at(-1)
    if (last === undefined && bytes <= hostLimits.smallWriteBytesMax) return this.append(bytesToFill(hostLimits.smallWriteBytesMax))
    if (last === undefined || last.length === hostLimits.joinedWriteBytesMax || this.lastLength + bytes <= last.length) return super.roomFor(bytes)
    // Only the first is small.
    const larger = this.buffers.take()
    larger.set(last.subarray(0, this.lastLength))
    this.waiting = [larger]
    return larger
  }
}
