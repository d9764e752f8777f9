/**
 * The recording of what happens inside a node, for traces and replay: types only. A runtime without a sink costs
 * nothing: `if (trace !== undefined) trace.emit(…)`.
 */

export interface TraceEvent {
  /** What happened: `channel.open`, `cell.sent`, `cell.received`, `circuit.open`, `stream.open`, `directory.fetch`, `decision.path`, … */
  readonly event: string
  readonly channel?: number
  readonly circuit?: number
  readonly stream?: number
  /** More of the event, in plain JSON. */
  readonly [detail: string]: unknown
}

export interface TraceSink {
  /** The sink adds the node's name and the time. */
  emit(event: TraceEvent): void
}
