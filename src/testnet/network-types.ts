/**
 * The two shapes of a network: what the user writes (`NetworkFile`) and what it resolves to (`ResolvedNetwork`). The
 * first has groups, defaults and options left out; the second has one entry for each node and nothing left open. Neither
 * says in which world the network runs, nor at which addresses: a backend places a resolved network.
 */

/** What a node does for the network. Authorities are relays too. */
export type NodeRole = 'authority' | 'relay' | 'exit' | 'client'
/** Which program runs a node: our own, or C tor. */
export type Implementation = 'relish' | 'tor'

/** Whether authorities vote for the first consensus (`cold`), or every node finds it in its data directory when it starts. */
export type Genesis = 'cold' | 'warm'

/** Raw torrc lines: a block of text as in a torrc, or a mapping from option to value or values. */
export type RawTorrc = string | { readonly [option: string]: string | number | boolean | readonly (string | number | boolean)[] }

/** Settings that a group, a node of a group, or the defaults of the file may have. */
export interface NodeSettings {
  readonly implementation?: Implementation
  /** Program to run for `implementation: tor`. */
  readonly tor?: string
  /** Another build of this package to run `implementation: relish` with: a checkout or an installed version. */
  readonly core?: string
  /** Nodes of a phase are launched when all nodes of the phases before it are ready. Counts from 1. */
  readonly phase?: number
  /** Nodes that name the same family are one family: paths take at most one of them. */
  readonly family?: string
  /** Whether OR ports (and exit policies) also use IPv6. */
  readonly ipv6?: boolean
  /** Where it is, for the links of a simulation. */
  readonly region?: string
  /** How far its clock is ahead of true time. */
  readonly clockSkewSec?: number
  readonly torrc?: RawTorrc
}

/** One or more nodes of a role. */
export interface NodeGroup extends NodeSettings {
  readonly role: NodeRole
  /** Names of the nodes: `exit` gives exit1, exit2, …; a group without `count` is one node with exactly this name. */
  readonly name?: string
  readonly count?: number
  /** Settings of single nodes of the group, by node name. */
  readonly each?: { readonly [nodeName: string]: NodeSettings }
}

/** How a network is started. */
export interface NetworkOptions {
  /** How long a node may show no progress before the start counts as failed. */
  readonly progressSec?: number
  /** Whether every relish node gets a control port as well (C tor nodes always do). */
  readonly controlPorts?: boolean
  /** Whether paths avoid two relays of one /16; on by default where nodes have addresses of their own. */
  readonly distinctSubnets?: boolean
}

export type LinkPreset = 'loopback' | 'internet'

/** How a wire of a simulation behaves, in one direction; what is absent is as the preset has it. */
export interface LinkFields {
  readonly latencyMs?: number
  /** Each chunk takes up to this much longer. */
  readonly jitterMs?: number
  /** Bytes a second, as a number or with a unit of torrcs. */
  readonly bandwidth?: number | string
  /** Bytes that wait where the bandwidth ends before their senders have to. */
  readonly queueBytes?: number
  /** Share of connection attempts that get no answer. */
  readonly loss?: number
}

export interface NetworkLinks extends LinkFields {
  readonly preset?: LinkPreset
  /** For pairs of nodes, groups or regions; later entries count over earlier ones. */
  readonly between?: readonly (LinkFields & { readonly ends: readonly string[] })[]
}

/** What the network's name server says to a name. */
export type ScriptedAnswer = readonly string[] | 'no-such-name' | 'timeout' | 'failure'

/** What a network file contains, after the schema has accepted it and `${NAME:-default}` was filled in. */
export interface NetworkFile {
  readonly name?: string
  readonly description?: string
  readonly defaults?: NodeSettings
  readonly nodes: readonly NodeGroup[]
  /** Consensus parameters that all authorities vote for. */
  readonly params?: { readonly [parameter: string]: number }
  readonly options?: NetworkOptions
  readonly links?: LinkPreset | NetworkLinks
  readonly names?: { readonly [name: string]: ScriptedAnswer }
  /** Names of built-in checks and paths of ES modules, relative to the file. All built-in checks that fit if absent. */
  readonly checks?: readonly string[]
  /** How the network begins; the world decides if absent. */
  readonly genesis?: Genesis
}

export interface ResolvedNode {
  /** The nickname: 1 to 19 letters and digits, unique in the network. */
  readonly name: string
  /** Position in the network, from 0. */
  readonly index: number
  /** Name of its group. */
  readonly group: string
  readonly role: NodeRole
  readonly implementation: Implementation
  readonly tor: string | undefined
  /** Absolute path of the build that runs it; undefined: this one. */
  readonly core: string | undefined
  readonly phase: number
  readonly family: string | undefined
  readonly ipv6: boolean
  readonly region: string | undefined
  /** Raw torrc lines, defaults first, then the group's, then its own. */
  readonly torrc: readonly string[]
}

export interface ResolvedNetwork {
  readonly name: string
  readonly description: string
  /** The file it came from. */
  readonly source: string
  readonly nodes: readonly ResolvedNode[]
  readonly params: { readonly [parameter: string]: number }
  readonly options: Required<NetworkOptions>
  readonly links: NetworkLinks
  readonly names: { readonly [name: string]: ScriptedAnswer }
  /** Built-in names, and absolute paths of modules. */
  readonly checks: readonly string[]
  /** Undefined: as is usual in the world it runs in. */
  readonly genesis: Genesis | undefined
}

export const isRelay = (node: ResolvedNode): boolean => node.role !== 'client'
