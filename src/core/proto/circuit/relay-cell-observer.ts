/**
 * Whoever wants to see relay cells where their content is known: for traces. Circuits without one pay a look at an
 * undefined field for each batch.
 */

/** Away from the circuit's origin, or back. */
export type CellDirection = 'forward' | 'backward'

/** Told in the order of the cells. `bodies`: plain, 509 bytes each, to be looked at during the call only. `hop`: at the origin, who is at the other end. */
export interface RelayCellObserver {
  /** They begin here. */
  sent(direction: CellDirection, bodies: Uint8Array, hop?: number): void
  /** They end here, and are authentic. */
  received(direction: CellDirection, bodies: Uint8Array, hop?: number): void
  /** A layer was taken off or put on; they are for somebody else. */
  passed(direction: CellDirection, count: number): void
  /** They are nobody's. */
  unrecognized(direction: CellDirection, count: number): void
}
