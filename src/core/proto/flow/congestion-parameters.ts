/**
 * What the consensus says about congestion control and the flow control of streams that goes with it, in the units the
 * algorithms count in (prop324 §6.5). Names and bounds of the parameters are known to `core/netdir/parameters.ts`.
 */

/** Thresholds of Vegas for one kind of circuit: cells that may be queued along the way. */
export interface VegasThresholds {
  /** Below it the window grows. */
  readonly alpha: number
  /** Above it the window shrinks. */
  readonly beta: number
  /** Slow start ends at it. */
  readonly gamma: number
  /** Above it the window is cut back to it. */
  readonly delta: number
  /** Window from which on slow start slows down (RFC 3742). */
  readonly slowStartCap: number
}

/** Circuits differ in how many links their cells may queue at. */
export type CircuitKind =
  /** Three hops to an exit, or to a relay that serves directories. */
  | 'exit'
  /** Client to onion service. */
  | 'onion'
  /** Two hops, as bandwidth scanners build them. */
  | 'sbws'

export interface CongestionParameters {
  /** Cells that a SENDME acknowledges: what we grant as a relay, and about what we expect as a client. */
  readonly sendmeIncrement: number
  /** Cells: the window at the start, and the least and most it may be. */
  readonly windowInitial: number
  readonly windowMin: number
  readonly windowMax: number
  /** Cells the window grows or shrinks by after slow start, and how often in a window's worth of cells. */
  readonly windowIncrement: number
  readonly windowUpdatesPerWindow: number
  /** Percentage of `sendmeIncrement` that the window grows by with each SENDME in slow start. */
  readonly slowStartPercent: number
  readonly slowStartWindowMax: number
  /** The window counts as full while no more than so many increments of it are unused, */
  readonly fullGapIncrements: number
  /** as not full any more when less than this percentage of it is used, */
  readonly fullMinPercent: number
  /** and is looked at afresh with each whole window (rather than each update). */
  readonly fullPerWindow: boolean
  /** How many measurements the moving average of round trips goes over: a percentage of those in a window, at most `ewmaMax`; `ewmaSlowStart` in slow start. */
  readonly ewmaWindowPercent: number
  readonly ewmaMax: number
  readonly ewmaSlowStart: number
  /** How far the least round trip is raised towards the present one when the window has shrunk to its minimum, in percent. */
  readonly rttResetPercent: number
  readonly vegas: { readonly [kind in CircuitKind]: VegasThresholds }
  readonly streams: StreamFlowParameters
}

/** XON and XOFF (prop324 §6.5.5). */
export interface StreamFlowParameters {
  /** Cells' worth of bytes that an exit, and a client or onion service, lets pile up for a slow reader before it sends XOFF. */
  readonly xoffExitCells: number
  readonly xoffClientCells: number
  /** Cells' worth of bytes over which one rate is taken. */
  readonly xonRateCells: number
  /** Change of the rate, in percent, that is worth an XON. */
  readonly xonChangePercent: number
  /** Rates that the moving average goes over. */
  readonly xonEwmaCount: number
}
