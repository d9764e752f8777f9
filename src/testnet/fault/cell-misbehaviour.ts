/**
 * A relay that breaks the rules of cells: what its node writes to a link is taken apart into cells and changed on the way
 * out. Links of a simulation are plain pipes, so there is no TLS in between.
 */

import { randomBelow, type Rng } from '../../core/base/rng.ts'
import { ChannelCommand, isRelayCommand, isVariableLength } from '../../core/cell/commands.ts'
import { CELL_BODY_BYTES } from '../../core/cell/limits.ts'
import type { StreamTap, TapEnds } from '../tap/network-tap.ts'
import type { Misbehaviour } from './fault.ts'

/** What the node does wrong now; it changes while connections last. */
export interface CellOrders {
  how: Misbehaviour | undefined
  /** Of relay cells, one in so many. */
  every: number
}

/** Link protocol 4 and later (tor-spec §3). Only VERSIONS, which comes first, has circuit ids of 2 bytes. */
const circuitIdBytes = 4

export class CellMisbehaviour implements StreamTap {
  readonly #orders: CellOrders
  readonly #rng: Rng
  #ends: TapEnds | undefined
  #held: Uint8Array = new Uint8Array(0)
  #versionsSeen = false
  #relayCells = 0

  constructor(orders: CellOrders, rng: Rng) {
    this.#orders = orders
    this.#rng = rng
  }

  attached(ends: TapEnds): void {
    this.#ends = ends
  }

  fromNode(chunk: Uint8Array): Uint8Array {
    const bytes = Buffer.concat([this.#held, chunk])
    const out: Uint8Array[] = []
    let at = 0
    for (;;) {
      const length = this.#frameLength(bytes.subarray(at))
      if (length === undefined || at + length > bytes.length) break
      const frame = bytes.subarray(at, at + length)
      if (this.#versionsSeen) out.push(...this.#changed(frame))
      else out.push(frame)
      this.#versionsSeen = true
      at += length
    }
    this.#held = bytes.subarray(at)
    return Buffer.concat(out)
  }

  #frameLength(bytes: Uint8Array): number | undefined {
    const header = (this.#versionsSeen ? circuitIdBytes : 2) + 1
    const command = bytes[header - 1]
    if (command === undefined) return undefined
    if (!isVariableLength(command)) return header + CELL_BODY_BYTES
    const [high, low] = bytes.subarray(header, header + 2)
    return high === undefined || low === undefined ? undefined : header + 2 + high * 256 + low
  }

  /** What goes out in place of a cell. */
  #changed(frame: Uint8Array): readonly Uint8Array[] {
    const { how, every } = this.#orders
    const command = frame[circuitIdBytes] ?? 0
    switch (how) {
      case 'corrupted-cell':
      case 'dropped-cell':
      case 'replayed-cell': {
        if (!isRelayCommand(command) || ++this.#relayCells % every !== 0) return [frame]
        if (how === 'dropped-cell') return []
        return how === 'replayed-cell' ? [frame, frame] : [this.#damaged(frame, CELL_BODY_BYTES)]
      }
      case 'wrong-handshake-key':
        // The body begins with the length of the answer, 2 bytes; the key is the answer's first 32 (tor-spec §5.1.2, §5.1.4).
        return command === ChannelCommand.CREATED2 ? [this.#damaged(frame, 32, 2)] : [frame]
      case 'spoofed-extend':
        if (command !== ChannelCommand.CREATE2) return [frame]
        this.#answerFor(frame)
        return []
      default:
        return [frame]
    }
  }

  /** One bit of the body's `span` bytes from `from` on is another. */
  #damaged(frame: Uint8Array, span: number, from = 0): Uint8Array {
    const changed = frame.slice()
    const at = circuitIdBytes + 1 + from + randomBelow(this.#rng, span)
    changed[at] = (changed[at] ?? 0) ^ (1 << randomBelow(this.#rng, 8))
    return changed
  }

  /** A CREATED2 for our own node, as if the relay that it asked had answered: the right length, and nobody's key. */
  #answerFor(create: Uint8Array): void {
    const answer = new Uint8Array(circuitIdBytes + 1 + CELL_BODY_BYTES)
    answer.set(create.subarray(0, circuitIdBytes))
    answer[circuitIdBytes] = ChannelCommand.CREATED2
    answer.set([0, 64], circuitIdBytes + 1)
    answer.set(this.#rng.bytes(64), circuitIdBytes + 3)
    this.#ends?.deliver(answer)
  }
}
