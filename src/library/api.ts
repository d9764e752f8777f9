/** Everything a program that uses a network as a fixture works with: types only. What they say becomes docs/API.md. */

import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import type { NodeEvent, NodeInspection, NodeStage } from '../runtime/events.ts'
import type { LogLevel, SocketAddress } from '../runtime/index.ts'
import type { NodeStatus, World } from '../testnet/backend/backend.ts'
import type { CheckResult } from '../testnet/checks/check.ts'
import type { NewNodes } from '../testnet/membership.ts'
import type { NodeRole } from '../testnet/network-types.ts'
import type { Observation } from '../testnet/observe/observation.ts'
import type { OptionValues } from '../testnet/option-changes.ts'

/** How a network is started. */
export interface LaunchOptions {
  /**
   * Where its nodes run. `inline` (the default): in this process, on loopback sockets, up in well under a second.
   * `processes`: a child process each, as `relish up` does. `simulated`: in this process, on a simulated network and in
   * virtual time, the same bytes for the same seed.
   */
  readonly world?: World
  /**
   * `warm`: the first consensus is computed from everybody's keys before the first node starts, as if the network had been
   * restarted. `cold`: nodes publish and authorities vote. What the network file says if absent; if that says nothing,
   * warm in the inline world and cold in the others.
   */
  readonly genesis?: 'warm' | 'cold'
  /** What a simulation is made from. Refused in the other worlds. */
  readonly seed?: string | number
  /** Changes of the network file for this run, as with `relish test --set`: `{ relays: 20, 'torrc.BandwidthRate': '5 MB' }`. */
  readonly set?: { readonly [setting: string]: string | number | boolean }
  /** Values of the file's `${NAME:-default}`. */
  readonly variables?: { readonly [name: string]: string }
  /**
   * Run directory, which is kept. A temporary one, removed in the end, if absent: of an inline network in `/dev/shm` where that is there,
   * else, or if `TMPDIR` names a place, where temporary files are. A simulation has none.
   */
  readonly dir?: string
  /** What nodes log, up to this level, goes to `onLog` (or, with processes, to the `node.log` of each). */
  readonly logLevel?: 'err' | 'warn' | 'notice' | 'info' | 'debug'
  /** Gets what nodes log, where they run in this process. */
  readonly onLog?: (line: LogLine) => void
  /** Warnings that are no problem: see `Network.problems`. */
  readonly expectedWarnings?: readonly RegExp[]
  /** Ends a start that is not done, and everything that was started. */
  readonly signal?: AbortSignal
}

/** A message of a node. */
export interface LogLine {
  readonly node: string
  readonly level: LogLevel
  /** One of C tor's domains, in lower case: `circ`, `dir`, `or`, … */
  readonly domain: string
  readonly message: string
}

/** A Tor network that runs. `await using` closes it at the end of the block. */
export interface Network extends AsyncDisposable {
  /** Name of the network, from its file. */
  readonly name: string
  readonly world: World
  /** Where its files are; undefined in a simulation. */
  readonly directory: string | undefined
  /** What happens in it, as nodes tell. */
  readonly events: NetworkEvents
  /**
   * What must not happen in any run, and did: a node that ended by itself, a warning that nobody expects, an internal error, a
   * node with too much memory. A test that is to be trusted ends with `expect(net.problems()).toEqual([])`.
   */
  problems(): readonly Observation[]
  /** All nodes there are now, those added last at the end. */
  nodes(): readonly NetworkNode[]
  /** A node by its name. Throws `config` if there is none. */
  node(name: string): NetworkNode
  /** A client to go through: the one of that name, or the first that runs. */
  client(name?: string, options?: ClientOptions): NetworkClient
  /** Servers for clients to reach, that remember who came. They are on an address of this network alone, and have a name that only its exits can look up. */
  sink(options?: SinkOptions): Promise<Sink>
  /**
   * Has the authorities vote now, and waits until every running node has the new consensus. Throws `refused` where
   * authorities are run by C tor, which votes at its fixed times only.
   */
  vote(): Promise<void>
  /**
   * Adds relays, exits or clients, while everything else goes on, and waits until they are ready: relays are voted into
   * the consensus, and every running node has it. Authorities cannot be added, since all nodes know them by name.
   */
  add(nodes: NewNodes): Promise<readonly NetworkNode[]>
  /**
   * Takes a node out for good: the authorities vote without it, all others learn of it, and then it is stopped. For a
   * relay that fails without warning use `node(name).kill()`.
   */
  remove(name: string): Promise<void>
  /** Waits until the condition holds. Throws `WaitTimeoutError`, which says what is missing. */
  waitFor(condition: Condition, options?: WaitOptions): Promise<void>
  /** Runs checks, as `relish verify` does, and gives their evidence. Throws `VerificationError` if one fails. */
  verify(options?: VerifyOptions): Promise<readonly CheckResult[]>
  /**
   * Lets virtual time pass while `work` is not done, in a simulation; elsewhere time passes anyway. What the methods of
   * this library wait for needs none of it.
   */
  drive<T>(work: () => Promise<T>): Promise<T>
  /** Stops all nodes, closes sinks and streams, lets go of addresses and removes temporary files. Harmless a second time. */
  close(): Promise<void>
}

/** One node of a network. */
export interface NetworkNode {
  readonly name: string
  readonly role: NodeRole
  /** Its own address, which it listens on and leaves from. On systems other than Linux all nodes share 127.0.0.1. */
  readonly host: string
  /** Where other nodes reach a relay. */
  readonly orPort: number | undefined
  /** Where a controller reaches it, if the network file gives nodes control ports. */
  readonly controlPort: number | undefined
  /** The torrc it runs with. */
  readonly torrc: string
  /** Whether it runs, how far it has come, what it waits for and what it warned of. */
  info(): NodeStatus
  /** Asks it for everything it knows: links, circuits, streams, consensus, guards. */
  inspect(): Promise<NodeInspection>
  /** The text of a directory document it holds: `consensus`, `consensus-microdesc`, `certificates`, `votes`, `descriptor`, `extra-info`. */
  document(name: string): Promise<string>
  /** Has a client build a circuit through these relays, by name, and gives the circuit's id. */
  buildCircuit(path: readonly string[]): Promise<number>
  /** Starts it, if it does not run, and waits until it is ready. */
  start(): Promise<void>
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
  /** Stops it and starts it again with the same keys, address and files; waits until it is ready. */
  restart(): Promise<void>
  /**
   * Changes torrc options while it runs, and for later starts in this run. A list sets the option once for each of its
   * values, `null` returns to C tor's default. Throws `config` for what cannot be, and then nothing is changed. What is
   * in a relay's descriptor reaches others with the next vote.
   */
  setOptions(options: OptionValues): Promise<void>
  /** `HUP`: read the torrc again and ask for news. `NEWNYM`: use no old circuit for new streams. `DUMP`: log what it knows. */
  signal(signal: 'HUP' | 'NEWNYM' | 'DUMP'): Promise<void>
}

/** How a client is used. */
export interface ClientOptions {
  /** Streams of one word never share a circuit with those of another. */
  readonly isolate?: string
  /** For `https:` addresses: certificate authorities to trust, and the like. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'servername' | 'cert' | 'key'>
  /** How long a stream may take to be opened. */
  readonly timeoutMs?: number
}

/** A way through the network, from the side of an application. Names are looked up by exits, never here. */
export interface NetworkClient {
  /** Name of the node. */
  readonly name: string
  /** Where an application of any kind finds the client. Throws `unavailable` in a simulation, which has no such port. */
  readonly socks: SocksEndpoint
  /** The global `fetch`, through the network. Bodies of requests are sent as a whole. */
  fetch(url: string | URL | Request, init?: RequestInit): Promise<Response>
  /**
   * A stream through the network. Throws `SocksRefusal` when the client says no. Streams of Tor have no half-closed state:
   * whoever ends writing gets nothing more to read.
   */
  connect(host: string, port: number): Promise<Duplex>
  /** The address that an exit finds for a name. */
  resolve(name: string): Promise<string>
  /** The name that an exit finds for an address. */
  reverse(address: string): Promise<string>
  /** The same client with streams that share no circuit with others: those of another word, or of none. */
  isolated(word: string): NetworkClient
}

/** A SOCKS port. */
export interface SocksEndpoint extends SocketAddress {
  /** `socks5h://HOST:PORT`, as curl and most libraries take it: names are looked up behind the proxy. */
  readonly url: string
}

/** What the servers of a sink are. */
export interface SinkOptions {
  /** The name they have; one that nobody had before if absent. */
  readonly name?: string
  /** Answers HTTP requests. Without it the answer is the address that came. */
  readonly respond?: (request: HttpVisit) => SinkResponse | string | Promise<SinkResponse | string>
}

/** What a sink answers. */
export interface SinkResponse {
  readonly status?: number
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string | Uint8Array
}

/** An HTTP server, an echo server and a name, all on one address. They remember who came. */
export interface Sink extends AsyncDisposable {
  /** Exits resolve it to `host`; nobody else knows it. */
  readonly name: string
  readonly host: string
  /** Port of the HTTP server. */
  readonly httpPort: number
  /** Port of the server that sends back every byte. */
  readonly echoPort: number
  /** The name server that exits ask, and a leaking application may; undefined in a simulation. */
  readonly dns: SocketAddress | undefined
  /** Who came since the sink was opened, in order: requests and connections, at most 10,000 of each kind. */
  readonly visits: readonly (HttpVisit | EchoVisit)[]
  /** Who asked the network's name server since then, for any name, in order. */
  readonly questions: readonly DnsVisit[]
  /** `http://NAME:PORT/path` */
  url(path?: string): string
  /**
   * Visits and questions by anybody but an exit of the network: what leaked. Throws `unavailable` on systems where nodes have no
   * addresses of their own.
   */
  leaks(): readonly Visit[]
  close(): Promise<void>
}

/** What all visits have. */
export interface VisitBase {
  /** Address that came, as the server sees it. */
  readonly from: SocketAddress
  /** The node with this address; undefined if it belongs to none. */
  readonly node: string | undefined
  readonly role: NodeRole | undefined
}

/** A request for the HTTP server. */
export interface HttpVisit extends VisitBase {
  readonly kind: 'http'
  /** Milliseconds since the network was made, in virtual time in a simulation. */
  readonly atMs: number
  readonly method: string
  /** As in the request: path and query. */
  readonly path: string
  /** Names in lower case; several values of one name are joined by commas. */
  readonly headers: { readonly [name: string]: string }
  readonly body: Uint8Array
}

/** A connection to the echo server. */
export interface EchoVisit extends VisitBase {
  readonly kind: 'echo'
  /** Milliseconds since the network was made, in virtual time in a simulation. */
  readonly atMs: number
  /** Bytes that came so far. */
  readonly bytes: number
}

/** A question for the name server. */
export interface DnsVisit extends VisitBase {
  readonly kind: 'dns'
  readonly name: string
  /** `A`, `AAAA`, `PTR`, or a number. */
  readonly type: string
}

/** Anything a sink remembers. */
export type Visit = HttpVisit | EchoVisit | DnsVisit

/** An event of a node, with its name and when it came. */
export type NetworkEvent<Kind extends NodeEvent['kind'] = NodeEvent['kind']> = Extract<NodeEvent, { readonly kind: Kind }> & { readonly node: string; readonly atMs: number }

/**
 * Events of all nodes. As an async iterable it begins with the first event after the loop has begun, and ends when the
 * network is closed.
 */
export interface NetworkEvents extends AsyncIterable<NetworkEvent> {
  /** Calls back for every event from now on. Returns how to end it. */
  on(kind: '*', listener: (event: NetworkEvent) => void): () => void
  /** Calls back for every event of one kind from now on. Returns how to end it. */
  on<Kind extends NodeEvent['kind']>(kind: Kind, listener: (event: NetworkEvent<Kind>) => void): () => void
}

/**
 * What can be waited for: that all running nodes are ready; that a node has come to a stage; that it runs or does not;
 * that every running node has a consensus with or without a relay; or whatever a function says: `true` holds, anything
 * else does not, and words say what is missing. It is asked again after every event and a few times a second.
 */
export type Condition =
  | 'ready'
  | { readonly node: string; readonly stage: NodeStage }
  | { readonly node: string; readonly state: NodeStatus['state']['kind'] }
  | { readonly listed: string }
  | { readonly unlisted: string }
  | (() => ConditionAnswer | Promise<ConditionAnswer>)

/** `true`: it holds. Words: what is missing. */
export type ConditionAnswer = boolean | string | undefined

/** How long to wait. */
export interface WaitOptions {
  /** Milliseconds; 30,000 if absent. Virtual in a simulation. */
  readonly timeout?: number
}

/** Which checks to run. */
export interface VerifyOptions {
  /** `smoke`, `full`, or the path of a suite file. The checks of the network file if absent. */
  readonly suite?: string
  /** Only these: names, tags, paths of modules. Without a suite they are looked for among all. */
  readonly only?: readonly string[]
  /** All but these: names or tags. */
  readonly skip?: readonly string[]
}
