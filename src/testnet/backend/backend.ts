/**
 * A network that runs, in whichever world: child processes, one process on real sockets, or a simulation. Checks,
 * bootstrap tracking, reports and the command line use this interface and nothing below it.
 *
 * Implementations: `process.ts` (child processes), and the inline and simulated ones.
 *
 * In a simulation time stands still while nobody waits: a check must wait only for promises that come from this
 * interface (streams, sinks, commands, `clock`), never for real timers or files.
 */

import type { NodeCommand, NodeEvent, NodeInspection, NodeStage } from '../../runtime/events.ts'
import type { FileStore, Network as RuntimeNetwork, SocketAddress } from '../../runtime/index.ts'
import type { Genesis, Implementation, NodeRole, ResolvedNetwork, ResolvedNode, ScriptedAnswer } from '../network-types.ts'
import type { OptionChanges } from '../option-changes.ts'
import type { NetworkPlacement, NodePlacement } from '../placement.ts'
import type { Transport } from '../socket-owner.ts'

/** Where the nodes of a network run. */
export type World = 'processes' | 'inline' | 'simulated'

/** Whether a node runs. */
export type NodeState =
  | { readonly kind: 'configured' }
  | { readonly kind: 'running'; readonly pid: number | undefined; readonly sinceMs: number }
  /** Ended because it was asked to. */
  | { readonly kind: 'stopped' }
  /** Ended by itself. `reason` is its exit status or signal, and the last words it said. */
  | { readonly kind: 'died'; readonly reason: string }

/** What is known of a node from its events, at one moment. */
export interface NodeStatus {
  readonly name: string
  readonly state: NodeState
  readonly stage: NodeStage
  readonly waitingFor: string | undefined
  /** What came of its last attempt to get it, where that failed. */
  readonly setback: string | undefined
  readonly bootstrap: { readonly progress: number; readonly tag: string; readonly summary: string }
  readonly listeners: readonly { readonly listener: string; readonly address: SocketAddress }[]
  /** The oldest where it keeps several flavours: no older one is given to anybody by it. */
  readonly consensus: { readonly flavour: string; readonly validAfter: number; readonly digest: string; readonly relays: number; readonly signatures: number } | undefined
  /** The latest warnings, oldest first, at most `lastWarningsKept`. */
  readonly warnings: readonly string[]
  /** `clock.now()` when its stage, progress or what it waits for last changed. */
  readonly progressAtMs: number
  /** `clock.now()` when it reached each stage in its present life. */
  readonly stageAtMs: { readonly [stage in NodeStage]?: number }
}

export interface WorldClock {
  /** Milliseconds since the network object was made; virtual in a simulation. */
  now(): number
  sleep(ms: number): Promise<void>
  /** Calls back once, that much later. Returns how to cancel it. */
  after(ms: number, callback: () => void): () => void
  /** Wall-clock time as undisturbed nodes see it, in milliseconds since the epoch. */
  wallNow(): number
}

export interface NodeEventRecord {
  readonly atMs: number
  readonly node: string
  readonly event: NodeEvent
}

export interface NameQuestion {
  readonly name: string
  readonly type: string
  readonly from: string
  /** Absent in a simulation. */
  readonly fromPort?: number
}

/** The answers that the network's name server gives, and who asked. Everything else does not exist. */
export interface NameServer {
  /** Gives `name` these addresses, IPv4 or IPv6. Names are compared without case. */
  setAddresses(name: string, addresses: readonly string[]): void
  /** What `name` gets instead of addresses: no answer at all, or that the server has failed. */
  setAnswer(name: string, answer: ScriptedAnswer): void
  /** Gives `address` this name, for PTR. */
  setName(address: string, name: string): void
  /** Questions so far, with the address of the node that asked. */
  readonly questions: readonly NameQuestion[]
}

/** A node that is not in the network file. */
export interface ExtraNode {
  readonly name: string
  readonly role: Exclude<NodeRole, 'authority'>
  /** Our own unless given; others are possible in the process world only. */
  readonly implementation?: Implementation
  readonly tor?: string | undefined
  readonly torrc: readonly string[]
}

export interface RunningNetwork {
  readonly world: World
  readonly network: ResolvedNetwork
  /** How it begins, by its file, the command line or the world's habit. */
  readonly genesis: Genesis
  /** How a command line names this run, as in `--dir /tmp/mine`; absent where none can ask it. */
  readonly runOptions?: string
  readonly placement: NetworkPlacement
  readonly clock: WorldClock
  /** Sockets of the observer's host, for sinks and SOCKS clients. Listen on and dial from `placement.observerHost`. */
  readonly observer: RuntimeNetwork
  readonly nameServer: NameServer

  /** Starts nodes that are not running, all at the same time. Resolves when they are started, not when they are ready. */
  start(nodes: readonly string[]): Promise<void>
  /** Asks them to end, then makes them; resolves when nothing of them is left. */
  stop(nodes: readonly string[]): Promise<void>
  /** Ends a node at once, without warning, as a crash would. */
  kill(node: string): Promise<void>
  /** Adds a node that the network file does not have, and starts it. */
  addNode(extra: ExtraNode): Promise<NodePlacement>
  /** Stops a node and forgets it and its files. */
  removeNode(name: string): Promise<void>
  /** Changes options for the rest of the run, at once where the node runs. Throws `config` or `refused`, and then nothing has changed. */
  setOptions(name: string, changes: OptionChanges): Promise<void>

  /** All nodes that there are now, added ones last. */
  nodes(): readonly ResolvedNode[]
  placementOf(node: string): NodePlacement
  status(node: string): NodeStatus
  /** Asks a running node; throws `unavailable` if it does not run, `refused` with the node's words if it says no. */
  command(node: string, command: NodeCommand): Promise<unknown>
  inspect(node: string): Promise<NodeInspection>
  /** Events of all nodes from now on; a change of `state` comes as an event `stopped` too. Returns how to end it. */
  onEvent(listener: (record: NodeEventRecord) => void): () => void
  /** Resolves once `condition` holds; it is asked again after every event. Throws `timeout` naming `words`. */
  waitFor(words: string, condition: () => boolean, timeoutMs: number): Promise<void>
  /** The node that has a socket with this address at its own end, while it is open: who came, when a server looks. */
  nodeAt(address: SocketAddress, transport: Transport): string | undefined
  /** Which program runs it: `relish 0.1.0`, `tor 0.4.9.11`. */
  versionOf(node: string): string
  /** The torrc text a node was given. */
  torrcOf(node: string): string
  /** A node's data directory, whether it runs or not. */
  files(node: string): FileStore

  /** Stops all nodes and lets go of addresses, sinks and locks. */
  close(): Promise<void>
}
