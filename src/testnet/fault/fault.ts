/** What may go wrong in a simulated network, as data: written in scenario files, or drawn from a seed. */

/** How a node breaks the rules. The node itself is honest: what it sends is changed on the way out. */
export const misbehaviours = Object.freeze([
  /** Authority: posts its vote of the period before. */
  'stale-vote',
  /** Authority: posts one vote to some of the others and another one, as well signed, to the rest. */
  'equivocating-vote',
  /** Authority: posts a vote whose signature does not match. */
  'wrongly-signed-vote',
  /** Relay: a byte of a relay cell is changed. */
  'corrupted-cell',
  /** Relay: a relay cell is left out. */
  'dropped-cell',
  /** Relay: a relay cell is sent twice. */
  'replayed-cell',
  /** Relay: answers handshakes of circuits with a key that is not its own. */
  'wrong-handshake-key',
  /** Relay: answers for the relay that a circuit was to be extended to, which never hears of it. */
  'spoofed-extend',
] as const)

export type Misbehaviour = (typeof misbehaviours)[number]

export const isVoteMisbehaviour = (how: Misbehaviour): boolean => how.endsWith('-vote')

/** Names are of nodes, of groups of the network file, or `*`. */
export type Fault =
  /** The node ends as by kill -9; afterwards it starts again. */
  | { readonly kind: 'crash'; readonly node: string }
  /** It stands still, as after SIGSTOP; afterwards it goes on. */
  | { readonly kind: 'pause'; readonly node: string }
  /** Nothing passes between the two sides. */
  | { readonly kind: 'partition'; readonly sides: readonly [readonly string[], readonly string[]] }
  | { readonly kind: 'slow'; readonly ends: readonly [string, string]; readonly latencyMs: number; readonly bytesPerSecond: number | undefined }
  /** Connections break, once; new ones may be made. */
  | { readonly kind: 'drop'; readonly ends: readonly [string, string] }
  | { readonly kind: 'clock'; readonly node: string; readonly jumpSec: number }
  | { readonly kind: 'disk-full'; readonly node: string }
  /** `every`: of cells, how many pass for one that does not. */
  | { readonly kind: 'misbehave'; readonly node: string; readonly how: Misbehaviour; readonly every: number }

export interface TimedFault {
  /** From the moment at which the network is ready. */
  readonly atMs: number
  /** How long it lasts; undefined: for good, or it has no duration. */
  readonly forMs: number | undefined
  readonly fault: Fault
}

export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'crash':
      return `${fault.node} crashes`
    case 'pause':
      return `${fault.node} stands still`
    case 'partition':
      return `no link between ${fault.sides[0].join(', ')} and ${fault.sides[1].join(', ')}`
    case 'slow':
      return `${fault.ends.join(' and ')} are ${fault.latencyMs} ms farther apart${fault.bytesPerSecond === undefined ? '' : `, with ${fault.bytesPerSecond} bytes a second`}`
    case 'drop':
      return `connections of ${fault.ends.join(' and ')} break`
    case 'clock':
      return `the clock of ${fault.node} jumps by ${fault.jumpSec} s`
    case 'disk-full':
      return `the disk of ${fault.node} is full`
    case 'misbehave':
      return `${fault.node} misbehaves: ${fault.how}`
  }
}
