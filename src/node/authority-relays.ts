/**
 * The relays an authority knows: takes their descriptors, decides which it accepts (C tor's `process_descs.c`), has
 * their reachability tested, and tells what it knows of each when a vote is due.
 */

import { bytesEqual, hexEncodeUpper, latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { asRelishError, RelishError } from '../core/base/errors.ts'
import { wallToSec, type WallMs } from '../core/base/time.ts'
import { emitRelayHistories, parseRelayHistories } from '../core/dirvote/relay-history-file.ts'
import { RelayHistories } from '../core/dirvote/relay-history.ts'
import { isRunning } from '../core/dirvote/relay-flags.ts'
import { compareTorVersions, parseTorVersion, versionOfPlatform } from '../core/dirvote/tor-version.ts'
import type { FlagRules, VotedRelay } from '../core/dirvote/voted-relay.ts'
import { isPrivateIp } from '../core/ident/address.ts'
import { splitDocuments, type ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime, SocketAddress, Timer } from '../runtime/index.ts'
import { KeyPins } from './authority-key-pins.ts'
import {
  AUTHORITY_DESCRIPTOR_LENGTH_MAX, AUTHORITY_DOCUMENTS_PER_UPLOAD_MAX, AUTHORITY_EXTRA_INFO_LENGTH_MAX, AUTHORITY_RELAYS_MAX,
  DESCRIPTOR_AGE_MAX, DESCRIPTOR_COSMETIC_TIME, REACHABILITY_RESUMED_AFTER, STABILITY_SAVE_INTERVAL,
} from './authority-limits.ts'
import { ReachabilityTester, type LinkTest } from './authority-reachability.ts'
import { ApprovedRouters, isCosmeticChange, isRejected, judge } from './authority-rules.ts'
import type { UploadResult } from './dir-authority-documents.ts'
import type { DirCache } from './dir-cache.ts'
import { isTooFarAhead } from './own-descriptor.ts'
import { readExtraInfo, readServerDescriptor, verifySharedExtraInfo } from './shared-documents.ts'

export interface AuthorityRelaysOptions {
  readonly runtime: Runtime
  readonly options: () => TorOptions
  readonly cache: DirCache
  /** Our own RSA identity, upper-case hex. */
  readonly ownFingerprint: string
  /** RSA identities of all authorities, upper-case hex. */
  readonly authorityFingerprints: ReadonlySet<string>
  readonly testLink: LinkTest
  /** A descriptor came in or a relay was reached. */
  readonly onChange: () => void
}

interface Reached {
  ipv4: WallMs | undefined
  ipv6: WallMs | undefined
}

export const stabilityFile = 'router-stability'

/** A relay that moved counts as down for this long, where there is no consensus to tell how long clients took to learn. */
const MOVE_PENALTY_SEC = Object.freeze({ testing: 240, otherwise: 3600 })

export class AuthorityRelays {
  readonly #parts: AuthorityRelaysOptions
  readonly #pins: KeyPins
  readonly #histories: RelayHistories
  readonly #reached = new Map<string, Reached>()
  readonly #tester: ReachabilityTester
  #approved: ApprovedRouters
  #saveTimer: Timer | undefined
  #ownDescriptor: ServerDescriptor | undefined

  constructor(parts: AuthorityRelaysOptions) {
    this.#parts = parts
    this.#pins = new KeyPins(parts.runtime)
    this.#histories = this.#readHistories()
    this.#approved = this.#readApproved()
    this.#tester = new ReachabilityTester({
      runtime: parts.runtime,
      testLink: parts.testLink,
      testIpv6: () => parts.options().AuthDirHasIPv6Connectivity,
      requireEd25519: () => parts.options().AuthDirTestEd25519LinkKeys,
      onReached: (fingerprint, address) => this.#noteReached(fingerprint, address),
    })
  }

  /** Begins to test the relays whose descriptors the cache had from before. */
  start(): void {
    const listed = this.#listedAsRunning()
    for (const descriptor of this.#parts.cache.serverDescriptors()) {
      this.#pins.pin(descriptor)
      if (listed.has(hexEncodeUpper(descriptor.digest))) this.#resume(descriptor)
      else this.#watch(descriptor, undefined)
    }
    this.#armSaving()
  }

  /** Digests of the descriptors by which the consensus in force lists relays as running: upper-case hex. */
  #listedAsRunning(): ReadonlySet<string> {
    const consensus = this.#parts.cache.consensus('ns')
    if (consensus === undefined || consensus.validUntil < this.#parts.runtime.wallNow()) return new Set()
    const running = consensus.relays.filter((relay) => relay.flags.has('Running'))
    return new Set(running.flatMap((relay) => (relay.descriptorDigest === undefined ? [] : [hexEncodeUpper(relay.descriptorDigest)])))
  }

  /** What the authorities found together holds until this one has found out by itself, which a restart is no reason to hurry. */
  #resume(descriptor: ServerDescriptor): void {
    if (!this.#isTested(descriptor)) return
    const validAfter = this.#parts.cache.consensus('ns')?.validAfter
    const hasIpv6 = descriptor.orAddresses.some((address) => address.host.includes(':'))
    this.#reached.set(descriptor.fingerprint, { ipv4: validAfter, ipv6: hasIpv6 ? validAfter : undefined })
    this.#tester.watch(descriptor, REACHABILITY_RESUMED_AFTER)
  }

  #isTested(descriptor: ServerDescriptor): boolean {
    return descriptor.fingerprint !== this.#parts.ownFingerprint && this.#parts.options().AuthDirTestReachability
  }

  stop(): void {
    this.#tester.stop()
    this.#saveTimer?.cancel()
    this.#saveHistories()
  }

  /** Reads `approved-routers` again. */
  reload(): void {
    this.#approved = this.#readApproved()
  }

  /** Our own descriptor needs no upload and no test. */
  setOwnDescriptor(descriptor: ServerDescriptor): void {
    this.#ownDescriptor = descriptor
    this.#parts.cache.addServerDescriptors([descriptor])
    this.#parts.onChange()
  }

  /** POST `/tor/` (dir-spec §2.1): server descriptors and extra-info documents, one behind the other. */
  receive(text: string): UploadResult {
    const descriptors = splitDocuments(text, 'router')
    const extraInfos = splitDocuments(text, 'extra-info')
    if (descriptors.length + extraInfos.length > AUTHORITY_DOCUMENTS_PER_UPLOAD_MAX) return { status: 400, reason: 'Too many documents in one upload' }
    if (descriptors.length + extraInfos.length === 0) return { status: 400, reason: 'No descriptors found in your POST.' }
    let worst: UploadResult = { status: 200, reason: 'Descriptor accepted' }
    for (const one of descriptors) worst = worseOf(worst, attempt(() => this.#addDescriptor(withoutNextKind(one, 'extra-info'))))
    for (const one of extraInfos) worst = worseOf(worst, attempt(() => this.#addExtraInfo(withoutNextKind(one, 'router'))))
    return worst
  }

  /** What votes are made of. `measured`: kilobytes a second by fingerprint, from the bandwidth file. */
  votedRelays(measured: ReadonlyMap<string, number>): VotedRelay[] {
    const options = this.#parts.options()
    return this.#descriptors()
      .filter((descriptor) => !isRejected(descriptor, this.#approved, options))
      .map((descriptor) => {
        const { fingerprint } = descriptor
        const reached = this.#reached.get(fingerprint)
        return {
          descriptor,
          judgement: judge(descriptor, this.#approved, options),
          history: this.#histories.of(fingerprint),
          isSelf: fingerprint === this.#parts.ownFingerprint,
          isAuthority: this.#parts.authorityFingerprints.has(fingerprint),
          reachedAt: reached?.ipv4,
          reachedIpv6At: reached?.ipv6,
          measuredBandwidth: measured.get(fingerprint),
        }
      })
  }

  /** How many relays are known and running, and the names of those known and not reached. */
  readiness(rules: FlagRules): { readonly running: number; readonly unreached: readonly string[] } {
    const now = this.#parts.runtime.wallNow()
    const relays = this.votedRelays(new Map())
    const unreached = relays.filter((relay) => !isRunning(relay, rules, now)).map((relay) => relay.descriptor.nickname)
    return { running: relays.length - unreached.length, unreached }
  }

  /** Brings histories up to date before a vote: relays that are not running are down. */
  noteDown(rules: FlagRules): void {
    const { runtime } = this.#parts
    const now = runtime.wallNow()
    const nowSec = wallToSec(now)
    this.#histories.discountOld(nowSec)
    const known = new Set<string>()
    for (const relay of this.votedRelays(new Map())) {
      known.add(relay.descriptor.fingerprint)
      if (!isRunning(relay, rules, now)) this.#histories.noteUnreachable(relay.descriptor.fingerprint, nowSec, nowSec)
    }
    this.#histories.forgetAllBut(known)
  }

  get enoughMtbf(): boolean {
    return this.#histories.hasEnough(wallToSec(this.#parts.runtime.wallNow()))
  }

  #descriptors(): ServerDescriptor[] {
    const all = [...this.#parts.cache.serverDescriptors()]
    const own = this.#ownDescriptor
    return own === undefined || all.some((descriptor) => descriptor.fingerprint === own.fingerprint) ? all : [...all, own]
  }

  #addDescriptor(text: string): UploadResult {
    if (text.length > AUTHORITY_DESCRIPTOR_LENGTH_MAX) throw new RelishError('refused', 'Router descriptor was too large.')
    const { cache, runtime } = this.#parts
    const now = runtime.wallNow()
    const descriptor = readServerDescriptor(runtime, text, 'skip', now)
    this.#requireAcceptable(descriptor, now)
    const held = cache.serverDescriptorOf(descriptor.fingerprint)
    if (held !== undefined) {
      if (bytesEqual(held.digest, descriptor.digest)) return { status: 200, reason: 'Router descriptor was not new.' }
      if (held.published > descriptor.published && !isTooFarAhead(held.published, now)) return { status: 200, reason: 'Router descriptor was not new: a newer one is held.' }
      const isRecent = held.published + DESCRIPTOR_COSMETIC_TIME >= descriptor.published
      if (isRecent && held.published < descriptor.published && isCosmeticChange(held, descriptor) && descriptor.fingerprint !== this.#parts.ownFingerprint) {
        return { status: 200, reason: 'Not replacing router descriptor; no information has changed since the last one with this identity.' }
      }
    }
    this.#pins.pin(descriptor)
    cache.addServerDescriptors([descriptor])
    runtime.log.write('info', 'dirserv', `Added descriptor from '${descriptor.nickname}'`)
    this.#watch(descriptor, held)
    this.#parts.onChange()
    return { status: 200, reason: 'Descriptor accepted' }
  }

  /** Throws `refused` with what C tor answers. */
  #requireAcceptable(descriptor: ServerDescriptor, now: WallMs): void {
    const options = this.#parts.options()
    const refuse = (words: string): RelishError => new RelishError('refused', words)
    if (this.#parts.cache.serverDescriptorOf(descriptor.fingerprint) === undefined && this.#descriptors().length >= AUTHORITY_RELAYS_MAX) {
      throw refuse('This authority knows as many relays as it can.')
    }
    // SPEC-DIFF: no TAP key is required here; C tor 0.4.9 refuses descriptors without one ("for now").
    if (isOutdated(descriptor, options.MinimalAcceptedServerVersion)) throw refuse('Tor version is insecure or unsupported. Please upgrade!')
    if (isRejected(descriptor, this.#approved, options)) throw refuse('Fingerprint, ed25519 identity or address is marked rejected')
    if (isTooFarAhead(descriptor.published, now)) {
      throw refuse('Rejected: Your clock is set too far in the future, or your timezone is not correct.')
    }
    if (descriptor.published < now - DESCRIPTOR_AGE_MAX) {
      throw refuse('Rejected: Server is expired, or your clock is too far in the past, or your timezone is not correct.')
    }
    const addresses = [descriptor.address, ...descriptor.orAddresses.map((address) => address.host)]
    if (!options.DirAllowPrivateAddresses && addresses.some(isPrivateIp)) throw refuse('Rejected: Address is a private address.')
    if (options.AuthDirPinKeys && this.#pins.contradicts(descriptor)) throw refuse('Ed25519 identity key or RSA identity key has changed.')
  }

  #addExtraInfo(text: string): UploadResult {
    if (text.length > AUTHORITY_EXTRA_INFO_LENGTH_MAX) throw new RelishError('refused', 'Extrainfo document was too large')
    const { cache, runtime } = this.#parts
    const document = readExtraInfo(runtime, text, 'skip')
    const descriptor = cache.serverDescriptorOf(document.fingerprint)
    if (descriptor === undefined) throw new RelishError('refused', 'No corresponding router descriptor for extra-info descriptor')
    cache.addExtraInfos([verifySharedExtraInfo(runtime, document, descriptor)])
    return { status: 200, reason: 'Extra-info document accepted' }
  }

  /** Tests a relay that is new, woke up, or moved; of others the next test comes in its turn. */
  #watch(descriptor: ServerDescriptor, before: ServerDescriptor | undefined): void {
    if (!this.#isTested(descriptor)) return
    const addresses = (of: ServerDescriptor): string => [`${of.address}:${of.orPort}`, ...of.orAddresses.map((a) => `${a.host}:${a.port}`)].join()
    const isUnchanged = before !== undefined && addresses(before) === addresses(descriptor) && !(before.hibernating && !descriptor.hibernating)
    if (isUnchanged) this.#tester.update(descriptor)
    else this.#tester.watch(descriptor)
  }

  #noteReached(fingerprint: string, address: SocketAddress): void {
    const now = this.#parts.runtime.wallNow()
    const reached = this.#reached.get(fingerprint) ?? { ipv4: undefined, ipv6: undefined }
    this.#reached.set(fingerprint, reached)
    if (address.host.includes(':')) {
      reached.ipv6 = now
    } else {
      reached.ipv4 = now
      this.#histories.noteReachable(fingerprint, `${address.host}:${address.port}`, wallToSec(now), this.#movePenaltySec())
    }
    this.#parts.onChange()
  }

  #movePenaltySec(): number {
    const consensus = this.#parts.cache.consensus('ns')
    if (consensus === undefined) return this.#parts.options().TestingTorNetwork ? MOVE_PENALTY_SEC.testing : MOVE_PENALTY_SEC.otherwise
    return Math.floor((consensus.freshUntil - consensus.validAfter + (consensus.validUntil - consensus.validAfter)) / 2000)
  }

  #armSaving(): void {
    this.#saveTimer = this.#parts.runtime.setTimer(STABILITY_SAVE_INTERVAL, () => {
      this.#saveHistories()
      this.#armSaving()
    })
  }

  #saveHistories(): void {
    const { files, log, wallNow } = this.#parts.runtime
    try {
      files.write(stabilityFile, latin1Encode(emitRelayHistories(this.#histories, wallToSec(wallNow()))))
    } catch (thrown) {
      log.write('warn', 'dirserv', `Unable to write ${stabilityFile}: ${asRelishError(thrown).message}`)
    }
  }

  #readHistories(): RelayHistories {
    const { files, log, wallNow } = this.#parts.runtime
    try {
      const content = files.read(stabilityFile)
      if (content !== undefined) return parseRelayHistories(latin1Decode(content), wallToSec(wallNow()))
    } catch (thrown) {
      log.write('warn', 'dirserv', `Relays' histories begin anew: ${asRelishError(thrown).message}`)
    }
    return new RelayHistories()
  }

  #readApproved(): ApprovedRouters {
    const { files, log } = this.#parts.runtime
    const content = files.read('approved-routers')
    return new ApprovedRouters(content === undefined ? '' : latin1Decode(content), (words) => log.write('warn', 'config', words))
  }
}

function isOutdated(descriptor: ServerDescriptor, minimal: string | undefined): boolean {
  const own = descriptor.platform === undefined ? undefined : versionOfPlatform(descriptor.platform)
  const version = own === undefined ? undefined : parseTorVersion(own)
  const oldest = minimal === undefined ? undefined : parseTorVersion(minimal)
  return version !== undefined && oldest !== undefined && compareTorVersions(version, oldest) < 0
}

/** A document without one of another kind that stands behind it. */
function withoutNextKind(text: string, keyword: string): string {
  const next = text.indexOf(`\n${keyword} `)
  return next < 0 ? text : text.slice(0, next + 1)
}

const worseOf = (a: UploadResult, b: UploadResult): UploadResult => (b.status > a.status || a.reason === 'Descriptor accepted' ? b : a)

/** Documents that are wrong in whatever way are answered, not thrown. */
function attempt(action: () => UploadResult): UploadResult {
  try {
    return action()
  } catch (thrown) {
    const error = asRelishError(thrown)
    if (error.kind === 'bug') throw error
    return { status: 400, reason: error.message }
  }
}
