/**
 * The body of a relay cell (tor-spec §6.1):
 *
 *     command 1 | recognized 2 | stream id 2 | digest 4 | length 2 | data | padding      509 bytes in all
 *
 * Bodies live side by side in the `payloads` of a batch, so everything here takes an offset. Digest and ciphering are
 * the business of `proto/relaycrypt`; what `data` means, of `stream-messages.ts` and `circuit-messages.ts`.
 */

import { assert } from '../base/assert.ts'
import { protocolError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import type { RelayCommand } from './commands.ts'
import { CELL_BODY_BYTES, RELAY_DATA_BYTES_MAX, RELAY_HEADER_BYTES } from './limits.ts'

export interface RelayMessage {
  readonly command: RelayCommand
  /** 0 for messages about the circuit. */
  readonly streamId: number
  /** At most 498 bytes. */
  readonly data: Uint8Array
}

/** Zero bytes between data and random padding (tor-spec §6.1). */
const ZERO_PADDING_BYTES = 4

/**
 * Writes one unciphered body at `offset`, with the digest field zero. Unused room is zero, or random after four zeros
 * when a generator is given: tor-spec §6.1 wants senders to do that, so that the content cannot be predicted.
 */
export function writeRelayMessage(payloads: Uint8Array, offset: number, message: RelayMessage, padding: Rng | undefined): void {
  const { data } = message
  assert(data.length <= RELAY_DATA_BYTES_MAX, 'data fits a relay cell')
  assert(offset >= 0 && offset + CELL_BODY_BYTES <= payloads.length, 'the cell is inside the batch')
  payloads[offset] = message.command
  payloads[offset + 1] = 0
  payloads[offset + 2] = 0
  payloads[offset + 3] = message.streamId >>> 8
  payloads[offset + 4] = message.streamId
  payloads[offset + 5] = 0
  payloads[offset + 6] = 0
  payloads[offset + 7] = 0
  payloads[offset + 8] = 0
  payloads[offset + 9] = data.length >>> 8
  payloads[offset + 10] = data.length
  payloads.set(data, offset + RELAY_HEADER_BYTES)
  const unused = offset + RELAY_HEADER_BYTES + data.length
  const end = offset + CELL_BODY_BYTES
  payloads.fill(0, unused, end)
  const randomFrom = unused + ZERO_PADDING_BYTES
  if (padding !== undefined && randomFrom < end) payloads.set(padding.bytes(end - randomFrom), randomFrom)
}

/** One unciphered body of 509 bytes. */
export function encodeRelayMessage(message: RelayMessage, padding: Rng | undefined): Uint8Array {
  const body = new Uint8Array(CELL_BODY_BYTES)
  writeRelayMessage(body, 0, message, padding)
  return body
}

/**
 * The message in the deciphered and recognised body at `offset`. `data` is a view. Throws `protocol` when the length
 * does not fit a cell: the circuit is closed for that.
 */
export function readRelayMessage(payloads: Uint8Array, offset = 0): RelayMessage {
  assert(offset >= 0 && offset + CELL_BODY_BYTES <= payloads.length, 'the cell is inside the batch')
  const byte = (at: number): number => payloads[offset + at] as number
  const length = (byte(9) << 8) | byte(10)
  if (length > RELAY_DATA_BYTES_MAX) throw protocolError(`relay cell claims ${length} bytes of data`)
  const start = offset + RELAY_HEADER_BYTES
  return { command: byte(0), streamId: (byte(3) << 8) | byte(4), data: payloads.subarray(start, start + length) }
}

/** The length field of the body at `offset`, whatever it says. */
export const relayDataLength = (payloads: Uint8Array, offset: number): number =>
  ((payloads[offset + 9] as number) << 8) | (payloads[offset + 10] as number)

/** The stream id of the body at `offset`. */
export const relayStreamId = (payloads: Uint8Array, offset: number): number => ((payloads[offset + 3] as number) << 8) | (payloads[offset + 4] as number)
