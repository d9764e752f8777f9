/** What an observer has seen that must not happen in any run, whatever the checks say. */

/** What kind of thing was seen. */
export type ObservationKind =
  /** A node ended by itself, or was left stopped. */
  | 'died'
  /** A node warned of something that no check of the suite causes. */
  | 'warning'
  /** A node, or a handler of one, broke: an error in its log, or words on its standard error. */
  | 'internal-error'
  /** A rule of the network did not hold, in a simulation. */
  | 'invariant'
  | 'leaked-process'
  | 'leaked-port'
  | 'leaked-file'
  /** A node had more resident memory than the suite allows. */
  | 'memory'

/** Something that must not happen in any run. */
export interface Observation {
  readonly kind: ObservationKind
  readonly node?: string
  /** `clock.now()` of the world. */
  readonly atMs: number
  readonly words: string
  /** How often it was seen, if more than once. */
  readonly times?: number
}
