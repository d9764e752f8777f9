/** Whom to ask for documents, and by which way (dir-spec §4.4, §5.1): authorities, fallback directories, or directory guards. */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import { randomChoice } from '../core/base/rng.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime } from '../runtime/index.ts'
import { FAILED_DIRECTORIES_MAX } from './dir-limits.ts'
import type { DirTarget, DirTransport } from './dir-transport.ts'
import type { DirectoryChoice } from './network-view.ts'

/** What a node does with the directory, by its options. */
export interface DirRoles {
  /** Asks authorities rather than caches: relays that serve documents, and authorities. */
  readonly fromAuthorities: boolean
  /** Keeps what others may ask for: both flavours, all descriptors and microdescriptors. */
  readonly caches: boolean
  /** Makes consensuses, in both flavours. */
  readonly votes: boolean
  /** Uses directory ports where there are any: all but clients and bridges, who tunnel. */
  readonly usesDirPorts: boolean
  /** The flavour that paths are chosen from. */
  readonly usableFlavour: 'ns' | 'microdesc'
}

export function dirRoles(options: TorOptions): DirRoles {
  const authority = options.AuthoritativeDirectory
  const relay = options.ORPort.length > 0 && !options.BridgeRelay
  const caches = authority || (relay && options.DirCache)
  return {
    fromAuthorities: authority || caches || options.FetchDirInfoEarly,
    caches,
    votes: authority,
    usesDirPorts: authority || relay,
    usableFlavour: options.UseMicrodescriptors === false ? 'ns' : 'microdesc',
  }
}

/** A directory to ask now. One of the reports is due. */
export interface DirSource {
  readonly target: DirTarget
  readonly transport: DirTransport
  /** It answered, with the document or without. */
  succeeded(): void
  /** It could not be reached. */
  failed(): void
  cancelled(): void
}

export interface DirSourcesOptions {
  readonly runtime: Runtime
  readonly options: TorOptions
  readonly dirPort: DirTransport
  readonly beginDir: DirTransport
  /** A directory guard: `NetworkView.chooseDirectory`. Absent on nodes that ask authorities only. */
  readonly chooseDirectory?: (avoid: ReadonlySet<string>) => DirectoryChoice | undefined
  /** Upper-case hex of this node, which is never asked. */
  readonly ownFingerprint?: string
}

export class DirSources {
  readonly roles: DirRoles
  /** All authorities but this node. */
  readonly authorities: readonly DirTarget[]
  readonly #options: DirSourcesOptions
  readonly #fallbacks: readonly DirTarget[]
  /** Whom a client asked last without knowing of guards. As long as it delivers no second link is needed. */
  #asked: DirTarget | undefined

  constructor(options: DirSourcesOptions) {
    this.#options = options
    this.roles = dirRoles(options.options)
    const others = (target: DirTarget): boolean => target.fingerprint !== options.ownFingerprint
    this.authorities = options.options.DirAuthority.filter((line) => line.v3Identity !== undefined)
      .map((line) => authorityTarget(line, 'download'))
      .filter(others)
    this.#fallbacks = options.options.FallbackDir.map((line, i): DirTarget => {
      const fingerprint = hexEncodeUpper(line.rsaIdentity)
      const addresses = [{ host: line.dirAddress.host, port: line.orPort }, ...(line.ipv6OrAddress === undefined ? [] : [line.ipv6OrAddress])]
      const dirAddress = line.dirAddress.port === 0 ? {} : { dirAddress: line.dirAddress }
      return { name: `fallback ${i}`, fingerprint, ...dirAddress, hop: { rsaIdentity: line.rsaIdentity, addresses } }
    }).filter(others)
  }

  /** For a consensus or certificates. `avoid`: fingerprints of those that failed to deliver. */
  forConsensus(avoid: ReadonlySet<string>): DirSource | undefined {
    if (!this.roles.fromAuthorities) {
      const guard = this.#guard(avoid)
      if (guard !== undefined) return guard
      // Without a consensus: fallback directories first, since authorities have enough to do.
      const fallback = this.#pick(this.#fallbacks, avoid)
      if (fallback !== undefined) return fallback
    }
    return this.#pick(this.authorities, avoid)
  }

  /** For descriptors and microdescriptors. */
  forDescriptors(avoid: ReadonlySet<string>): DirSource | undefined {
    return this.forConsensus(avoid)
  }

  /** This one, by the way this node takes. */
  direct(target: DirTarget): DirSource {
    const transport = this.roles.usesDirPorts && target.dirAddress !== undefined ? this.#options.dirPort : this.#options.beginDir
    return { target, transport, succeeded: () => {}, failed: () => {}, cancelled: () => {} }
  }

  #guard(avoid: ReadonlySet<string>): DirSource | undefined {
    const choice = this.#options.chooseDirectory?.(avoid)
    if (choice === undefined) return undefined
    const target = { name: choice.relay.nickname, fingerprint: choice.relay.fingerprint, hop: choice.hop }
    return { target, transport: this.#options.beginDir, succeeded: choice.succeeded, failed: choice.failed, cancelled: choice.cancelled }
  }

  #pick(targets: readonly DirTarget[], avoid: ReadonlySet<string>): DirSource | undefined {
    const rng = this.#options.runtime.rng('directory choice')
    const asked = this.#asked
    const isAskedAgain = asked !== undefined && !avoid.has(asked.fingerprint) && targets.includes(asked)
    const target = isAskedAgain ? asked : (randomChoice(rng, targets.filter((one) => !avoid.has(one.fingerprint))) ?? randomChoice(rng, targets))
    if (target === undefined) return undefined
    if (!this.roles.fromAuthorities) this.#asked = target
    return this.direct(target)
  }
}

/** An authority as its DirAuthority line has it, which may name a port of its own for each purpose. */
export function authorityTarget(line: TorOptions['DirAuthority'][number], purpose: 'download' | 'upload' | 'vote'): DirTarget {
  const special = { download: line.downloadAddress, upload: line.uploadAddress, vote: line.voteAddress }[purpose]
  const fingerprint = hexEncodeUpper(line.rsaIdentity)
  const { host } = line.dirAddress
  const addresses = [
    ...(line.orPort === undefined ? [] : [{ host, port: line.orPort }]),
    ...(line.ipv6OrAddress === undefined ? [] : [line.ipv6OrAddress]),
  ]
  return {
    name: line.nickname ?? fingerprint.slice(0, 8),
    fingerprint,
    dirAddress: special ?? line.dirAddress,
    ...(addresses.length === 0 ? {} : { hop: { rsaIdentity: line.rsaIdentity, addresses } }),
  }
}

/** v3 identities of the authorities, upper-case hex. */
export function trustedIdentities(options: TorOptions): ReadonlySet<string> {
  return new Set(options.DirAuthority.flatMap((line) => (line.v3Identity === undefined ? [] : [hexEncodeUpper(line.v3Identity)])))
}

/** Adds a directory that failed to deliver to those to avoid. */
export function rememberFailed(avoid: Set<string>, fingerprint: string): void {
  if (avoid.size >= FAILED_DIRECTORIES_MAX) avoid.clear()
  avoid.add(fingerprint)
}
