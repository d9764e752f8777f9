/** Writes what cells and relay cells hold into a trace. There is one of these only where somebody records. */

import type { Cell, RelayCellBatch } from '../core/cell/cell.ts'
import { ChannelCommand, RelayCommand } from '../core/cell/commands.ts'
import { describeCell, describeRelayMessage } from '../core/cell/describe.ts'
import { CELL_BODY_BYTES, RELAY_DATA_BYTES_MAX, RELAY_HEADER_BYTES } from '../core/cell/limits.ts'
import { relayDataLength, relayStreamId } from '../core/cell/relay-cell.ts'
import type { CellDirection, RelayCellObserver } from '../core/proto/circuit/relay-cell-observer.ts'
import type { CellEvent, TraceSink } from '../runtime/trace.ts'

export function traceCell(trace: TraceSink, event: CellEvent['event'], channel: number, cell: Cell): void {
  const body = describeCell(cell.command, cell.body)
  const command = ChannelCommand.nameOf(cell.command)
  trace.emit(body === undefined ? { event, channel, circId: cell.circuitId, command } : { event, channel, circId: cell.circuitId, command, body })
}

export function traceBatch(trace: TraceSink, event: CellEvent['event'], channel: number, batch: RelayCellBatch): void {
  const { circuitId: circId, count } = batch
  const command = ChannelCommand.nameOf(batch.command)
  trace.emit(count === 1 ? { event, channel, circId, command } : { event, channel, circId, command, count })
}

/** The relay cells of one circuit, in its node's own number. */
export class CircuitCellTrace implements RelayCellObserver {
  readonly #trace: TraceSink
  readonly #circuit: number

  constructor(trace: TraceSink, circuit: number) {
    this.#trace = trace
    this.#circuit = circuit
  }

  sent(direction: CellDirection, bodies: Uint8Array, hop?: number): void {
    this.#tell('relay.sent', direction, bodies, hop)
  }

  received(direction: CellDirection, bodies: Uint8Array, hop?: number): void {
    this.#tell('relay.received', direction, bodies, hop)
  }

  passed(direction: CellDirection, count: number): void {
    this.#trace.emit({ event: 'relay.passed', circuit: this.#circuit, direction, count })
  }

  unrecognized(direction: CellDirection, count: number): void {
    this.#trace.emit({ event: 'relay.unrecognized', circuit: this.#circuit, direction, count })
  }

  #tell(event: 'relay.sent' | 'relay.received', direction: CellDirection, bodies: Uint8Array, hop: number | undefined): void {
    const circuit = this.#circuit
    const where = hop === undefined ? { event, circuit, direction } : { event, circuit, direction, hop }
    for (let at = 0; at < bodies.length; ) {
      const code = bodies[at] as number
      const stream = relayStreamId(bodies, at)
      const command = RelayCommand.nameOf(code)
      let length = relayDataLength(bodies, at)
      if (code === RelayCommand.DATA) {
        let count = 1
        for (at += CELL_BODY_BYTES; at < bodies.length && bodies[at] === RelayCommand.DATA && relayStreamId(bodies, at) === stream; at += CELL_BODY_BYTES) {
          length += relayDataLength(bodies, at)
          count++
        }
        this.#trace.emit(count === 1 ? { ...where, command, stream, length } : { ...where, command, stream, length, count })
        continue
      }
      const from = at + RELAY_HEADER_BYTES
      const body = describeRelayMessage(code, bodies.subarray(from, from + Math.min(length, RELAY_DATA_BYTES_MAX)))
      this.#trace.emit(body === undefined ? { ...where, command, stream, length } : { ...where, command, stream, length, body })
      at += CELL_BODY_BYTES
    }
  }
}
