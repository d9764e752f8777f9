/**
 * What this node knows of the network at present: the view made of its consensus and descriptors, whether that is
 * enough to build circuits, and its guards. Clients, and relays for circuits of their own, choose relays through it.
 *
 * It fetches nothing: the directory client tells it of documents, and asks it where to fetch more.
 */

import { seconds, type DurationMs } from '../core/base/time.ts'
import type { GuardTicket } from '../core/guard/guard-manager.ts'
import { GuardManager } from '../core/guard/guard-manager.ts'
import type { GuardTime } from '../core/guard/guard-sample.ts'
import { directoryInfo, type DirectoryInfo } from '../core/netdir/directory-info.ts'
import { descriptorFromMicrodescriptor, descriptorFromServerDescriptor } from '../core/netdir/from-consensus.ts'
import { NetDir, type NetDirSource } from '../core/netdir/net-dir.ts'
import type { Relay, RelayDescriptor, RelayStatus } from '../core/netdir/relay.ts'
import type { Consensus } from '../core/netdoc/consensus.ts'
import type { Microdescriptor } from '../core/netdoc/microdescriptor.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import { chooseDirectory, type PathWorld } from '../core/path/choose-path.ts'
import { passesGuardFilter, type PathRules } from '../core/path/path-rules.ts'
import { parameterOverrides, pathRules } from '../core/path/rules-from-options.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { HopTarget } from './origin-circuit.ts'
import { sharedNetDirSource } from './shared-documents.ts'
import type { StateStore } from './state-store.ts'

/** Where the view finds descriptors by the digests of the consensus. */
export interface DescriptorLookup {
  /** `digest`: unpadded base64 of the SHA-256. */
  microdescriptor(digest: string): Microdescriptor | undefined
  /** `digest`: upper-case hex of the SHA-1. */
  serverDescriptor(digest: string): ServerDescriptor | undefined
}

/** A directory to ask, and how to say what came of it. One of the reports is due for each choice. */
export interface DirectoryChoice {
  readonly relay: Relay
  readonly hop: HopTarget
  succeeded(): void
  /** It could not be reached: as opposed to not having the document. */
  failed(): void
  cancelled(): void
}

/** How often the time is looked at, where nothing else happens: consensuses grow old, guards become worth another try. */
const recheckInterval: DurationMs = seconds(60)

export class NetworkView {
  readonly #runtime: Runtime
  readonly #state: StateStore
  readonly #version: string
  readonly #ownFingerprint: string | undefined
  #options: TorOptions
  #rules: PathRules
  readonly #guards: GuardManager
  readonly #listeners: (() => void)[] = []
  /** Documents as core/netdir wants them, kept as long as the documents are. */
  #descriptors = new WeakMap<object, RelayDescriptor>()
  #consensus: Consensus | undefined
  #source: NetDirSource | undefined
  #lookup: DescriptorLookup | undefined
  #netDir: NetDir | undefined
  #info: DirectoryInfo
  #hadEnough = false
  #timer: Timer | undefined

  /** `ownFingerprint`: of this node, when it is a relay. */
  constructor(runtime: Runtime, options: TorOptions, state: StateStore, identity: { readonly version: string; readonly ownFingerprint: string | undefined }) {
    this.#runtime = runtime
    this.#options = options
    this.#state = state
    this.#version = identity.version
    this.#ownFingerprint = identity.ownFingerprint
    this.#rules = pathRules(options, identity.ownFingerprint)
    this.#guards = new GuardManager(state.values('Guard'), this.#guardWorld(), runtime.rng('guards'), runtime.wallNow())
    this.#info = this.#computeInfo()
  }

  get netDir(): NetDir | undefined {
    return this.#netDir
  }

  /** Whether there is enough to build circuits with, and what is missing, in words. */
  get info(): DirectoryInfo {
    return this.#info
  }

  get rules(): PathRules {
    return this.#rules
  }

  get guards(): GuardManager {
    return this.#guards
  }

  /** Called after each change of `netDir` or `info`. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** A consensus to use from now on, and where its descriptors are found. */
  setConsensus(consensus: Consensus, lookup: DescriptorLookup): void {
    this.#consensus = consensus
    this.#lookup = lookup
    this.#readConsensus(consensus)
    this.#rebuild()
    this.#timer ??= this.#runtime.setTimer(recheckInterval, () => this.#recheck())
  }

  /** Options that say which relays may be used have changed, perhaps. */
  reconfigure(options: TorOptions): void {
    this.#options = options
    this.#rules = pathRules(options, this.#ownFingerprint)
    // Views of policies depend on ClientRejectInternalAddresses.
    this.#descriptors = new WeakMap()
    if (this.#consensus !== undefined) this.#readConsensus(this.#consensus)
    this.#rebuild()
  }

  /** More descriptors are held than before. Called once for many of them. */
  descriptorsChanged(): void {
    if (this.#source !== undefined) this.#rebuild()
  }

  /** Both clocks, for the guard code. */
  now(): GuardTime {
    return { wall: this.#runtime.wallNow(), monotonic: this.#runtime.monotonicNow() }
  }

  /** What path selection works on; undefined before there is a consensus. */
  pathWorld(): PathWorld | undefined {
    if (this.#netDir === undefined) return undefined
    return { netDir: this.#netDir, rules: this.#rules, guards: this.#guards, rng: this.#runtime.rng('paths') }
  }

  /** A directory for documents, one hop away. `avoid`: fingerprints of those that failed to deliver. Undefined without a usable one. */
  chooseDirectory(avoid: ReadonlySet<string> = new Set()): DirectoryChoice | undefined {
    const world = this.pathWorld()
    const choice = world === undefined ? undefined : chooseDirectory(world, avoid, this.now())
    this.saveGuards()
    if (choice === undefined) return undefined
    const { relay, guard } = choice
    return {
      relay,
      hop: hopTarget(relay, this.#options),
      succeeded: () => this.#report(guard, (ticket) => this.#guards.succeeded(ticket, this.now())),
      failed: () => this.#report(guard, (ticket) => this.#guards.failed(ticket, this.now())),
      cancelled: () => this.#report(guard, (ticket) => this.#guards.cancel(ticket, this.now())),
    }
  }

  /** The relay as the circuit code wants it. */
  hopTarget(relay: Relay): HopTarget {
    return hopTarget(relay, this.#options)
  }

  /** Hands changed guards to the state file. Called after guards were asked or told something. */
  saveGuards(): void {
    if (this.#guards.changed) this.#state.set('Guard', this.#guards.stateLines())
  }

  /** Guards became reachable or unreachable: looks again at whether there is enough to go on. */
  guardsChanged(): void {
    this.saveGuards()
    if (this.#updateInfo()) this.#notify()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.saveGuards()
  }

  #report(ticket: GuardTicket | undefined, report: (ticket: GuardTicket) => void): void {
    if (ticket === undefined || ticket.state === 'dead' || ticket.state === 'complete') return
    report(ticket)
    this.guardsChanged()
  }

  #readConsensus(consensus: Consensus): void {
    const source = sharedNetDirSource(this.#runtime, consensus)
    this.#source = { ...source, parameters: new Map([...source.parameters, ...parameterOverrides(this.#options)]) }
  }

  #rebuild(): void {
    const source = this.#source
    if (source === undefined) return
    this.#netDir = NetDir.build(source, (relay) => this.#descriptorOf(relay), this.#netDir)
    this.#guards.update(this.#guardWorld(), this.now())
    const excluded = this.#guards.extremeRestrictionPercent
    if (excluded !== undefined) {
      this.#runtime.log.write('warn', 'guard', `Your configuration excludes ${excluded}% of all possible guards. That's likely to make you stand out from the rest of the world.`)
    }
    this.#updateInfo()
    this.saveGuards()
    this.#notify()
  }

  #recheck(): void {
    this.#timer = this.#runtime.setTimer(recheckInterval, () => this.#recheck())
    this.guardsChanged()
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  #guardWorld() {
    return { netDir: this.#netDir, passesFilter: (relay: Relay) => passesGuardFilter(relay, this.#rules), version: this.#version }
  }

  /** True when there is enough now and was not before, or the other way round. Says so, as C tor does. */
  #updateInfo(): boolean {
    const before = this.#info
    const now = this.#computeInfo()
    this.#info = now
    const { log } = this.#runtime
    if (now.enough && !now.hasExits && (before.hasExits || !before.enough)) {
      log.write('notice', 'net', 'The current consensus has no exit nodes. Tor can only build internal paths, such as paths to onion services.')
    }
    if (now.enough === before.enough) return false
    if (now.enough) log.write(this.#hadEnough ? 'notice' : 'info', 'dir', 'We now have enough directory information to build circuits.')
    else log.write('notice', 'dir', `Our directory information is no longer up-to-date enough to build circuits: ${now.status}`)
    this.#hadEnough ||= now.enough
    return true
  }

  #computeInfo(): DirectoryInfo {
    const now = this.now()
    const guardsMissing = (present: number, usable: number): string | undefined =>
      this.#rules.useEntryGuards ? this.#guards.missingDescriptors(now, present, usable) : undefined
    return directoryInfo(this.#netDir, now.wall, this.#rules, guardsMissing)
  }

  #descriptorOf(status: RelayStatus): RelayDescriptor | undefined {
    const rejectPrivate = this.#options.ClientRejectInternalAddresses
    if (this.#source?.flavour === 'microdesc') {
      const document = this.#lookup?.microdescriptor(status.descriptorDigest)
      return document === undefined ? undefined : this.#kept(document, () => descriptorFromMicrodescriptor(document, rejectPrivate))
    }
    const document = this.#lookup?.serverDescriptor(status.descriptorDigest)
    return document === undefined ? undefined : this.#kept(document, () => descriptorFromServerDescriptor(document, rejectPrivate))
  }

  #kept(document: object, make: () => RelayDescriptor | undefined): RelayDescriptor | undefined {
    const known = this.#descriptors.get(document)
    if (known !== undefined) return known
    const made = make()
    if (made !== undefined) this.#descriptors.set(document, made)
    return made
  }
}

/** A relay as a hop: with the addresses this node may dial first, in its order of preference. */
export function hopTarget(relay: Relay, options: Pick<TorOptions, 'ClientUseIPv4' | 'ClientUseIPv6' | 'ClientPreferIPv6ORPort'>): HopTarget {
  const preferIpv6 = options.ClientPreferIPv6ORPort === true || !options.ClientUseIPv4
  const rank = (address: { readonly host: string }): number => (address.host.includes(':') === preferIpv6 ? 0 : 1)
  const allowed = relay.addresses.filter(({ host }) => (host.includes(':') ? options.ClientUseIPv6 : options.ClientUseIPv4))
  const addresses = [...(allowed.length > 0 ? allowed : relay.addresses)].sort((a, b) => rank(a) - rank(b))
  const { descriptor } = relay
  return {
    rsaIdentity: relay.rsaIdentity,
    addresses,
    protocols: relay.protocols.text,
    nickname: relay.nickname,
    ...(descriptor === undefined ? {} : { ntorOnionKey: descriptor.ntorOnionKey }),
    ...(descriptor?.ed25519Identity === undefined ? {} : { ed25519Identity: descriptor.ed25519Identity }),
  }
}
