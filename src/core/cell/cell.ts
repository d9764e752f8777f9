/**
 * Channel cells and batches of relay cells as values (tor-spec §3). Framing is in `frame-decoder.ts` and
 * `frame-writer.ts`; what the bodies mean is in the files beside them.
 */

import { assert } from '../base/assert.ts'
import { ChannelCommand, isVariableLength } from './commands.ts'
import { CELL_BODY_BYTES } from './limits.ts'

/** Any cell but RELAY and RELAY_EARLY. */
export interface Cell {
  /** 0 for cells of no circuit. */
  readonly circuitId: number
  readonly command: ChannelCommand
  /** 509 bytes, or the variable body without its length. */
  readonly body: Uint8Array
}

/**
 * Consecutive relay cells of one circuit. They travel together because ciphering and writing many in one call costs a
 * fraction of doing it cell by cell. Whoever is given a batch may cipher `payloads` in place, and has them for that call only.
 */
export interface RelayCellBatch {
  readonly circuitId: number
  /** RELAY or RELAY_EARLY. */
  readonly command: ChannelCommand
  /** At least 1. */
  readonly count: number
  /** `count` bodies of 509 bytes, one after the other. */
  readonly payloads: Uint8Array
}

export type Frame = Cell | RelayCellBatch

export const isRelayBatch = (frame: Frame): frame is RelayCellBatch => 'payloads' in frame

/** A cell whose fixed-length body is `content` followed by zeros (tor-spec §3). */
export function fixedCell(circuitId: number, command: ChannelCommand, content: Uint8Array): Cell {
  assert(!isVariableLength(command), 'the command has a fixed length')
  assert(content.length <= CELL_BODY_BYTES, 'content fits a cell')
  const body = new Uint8Array(CELL_BODY_BYTES)
  body.set(content)
  return { circuitId, command, body }
}

/** A variable-length cell of no circuit. */
export function variableCell(command: ChannelCommand, body: Uint8Array): Cell {
  assert(isVariableLength(command), 'the command has a variable length')
  return { circuitId: 0, command, body }
}

/** A batch with `payloads` that are already ciphered for the circuit. */
export function relayBatch(circuitId: number, payloads: Uint8Array, command: ChannelCommand = ChannelCommand.RELAY): RelayCellBatch {
  assert(payloads.length > 0 && payloads.length % CELL_BODY_BYTES === 0, 'a batch holds whole cells')
  return { circuitId, command, count: payloads.length / CELL_BODY_BYTES, payloads }
}
