/**
 * The documents a node holds: consensuses of both flavours, authority certificates, server descriptors, extra-info
 * documents and microdescriptors, in memory and, through `DirCacheFiles`, in the data directory.
 *
 * Only verified documents come in. Nothing here fetches (dir-client.ts) or answers requests (dir-server.ts).
 */

import { bytesEqual, hexEncodeUpper } from '../core/base/encoding.ts'
import type { AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import type { CertificateLookup, Consensus, ConsensusFlavour } from '../core/netdoc/consensus.ts'
import type { ExtraInfo } from '../core/netdoc/extra-info.ts'
import type { Microdescriptor } from '../core/netdoc/microdescriptor.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { Runtime } from '../runtime/index.ts'
import { DirCacheFiles, type HeldMicrodescriptor } from './dir-cache-files.ts'
import { CERTIFICATE_KEPT, DESCRIPTOR_KEPT, DIR_CACHE_DOCUMENTS_MAX, MICRODESCRIPTOR_KEPT } from './dir-limits.ts'
import { isTooFarAhead } from './own-descriptor.ts'

export interface DirCacheListener {
  /** A newer consensus of this flavour is held. */
  consensusChanged?(consensus: Consensus): void
  /** Server descriptors or microdescriptors were added: once for many. */
  descriptorsChanged?(): void
  certificatesChanged?(): void
}

export class DirCache {
  readonly #runtime: Runtime
  readonly #files: DirCacheFiles
  readonly #trusted: ReadonlySet<string>
  readonly #consensuses = new Map<ConsensusFlavour, Consensus>()
  /** By identity and signing key. */
  readonly #certificates = new Map<string, AuthorityCertificate>()
  readonly #descriptors = new Map<string, ServerDescriptor>()
  /** Digest of the newest descriptor of each relay. */
  readonly #newest = new Map<string, string>()
  readonly #extraInfos = new Map<string, ExtraInfo>()
  readonly #microdescriptors = new Map<string, HeldMicrodescriptor>()
  readonly #listeners: DirCacheListener[] = []

  /** `trusted`: v3 identities of the authorities, upper-case hex. Reads what the data directory holds; nobody is told of that. */
  constructor(runtime: Runtime, trusted: ReadonlySet<string>) {
    this.#runtime = runtime
    this.#trusted = trusted
    this.#files = new DirCacheFiles(runtime)
    this.#load()
  }

  /** v3 identities of the authorities this node trusts. */
  get trusted(): ReadonlySet<string> {
    return this.#trusted
  }

  listen(listener: DirCacheListener): void {
    this.#listeners.push(listener)
  }

  consensus(flavour: ConsensusFlavour): Consensus | undefined {
    return this.#consensuses.get(flavour)
  }

  /**
   * Keeps a consensus unless a newer one of its flavour is held. True when it was new. The held one with more signatures
   * (authorities go on collecting them) takes its place without anybody being told.
   */
  setConsensus(consensus: Consensus): boolean {
    const held = this.#consensuses.get(consensus.flavour)
    if (held !== undefined && held.validAfter >= consensus.validAfter) {
      if (bytesEqual(held.sha256, consensus.sha256) && consensus.signatures.length > held.signatures.length) {
        this.#consensuses.set(consensus.flavour, consensus)
        this.#files.writeConsensus(consensus)
      }
      return false
    }
    this.#consensuses.set(consensus.flavour, consensus)
    this.#files.writeConsensus(consensus)
    this.#markListed(consensus)
    this.#expire()
    for (const listener of this.#listeners) listener.consensusChanged?.(consensus)
    return true
  }

  certificates(): Iterable<AuthorityCertificate> {
    return this.#certificates.values()
  }

  readonly certificateOf: CertificateLookup = (identity, signingKey) => this.#certificates.get(`${identity}-${signingKey}`)

  /** Those of authorities nobody trusts are not kept. True when one was new. */
  addCertificates(certificates: readonly AuthorityCertificate[]): boolean {
    let added = false
    for (const certificate of certificates) {
      const key = `${certificate.identityFingerprint}-${certificate.signingKeyFingerprint}`
      if (!this.#trusted.has(certificate.identityFingerprint) || this.#certificates.has(key)) continue
      this.#certificates.set(key, certificate)
      added = true
    }
    if (!added) return false
    this.#files.writeCertificates(this.#certificates.values())
    for (const listener of this.#listeners) listener.certificatesChanged?.()
    return true
  }

  /** `digest`: upper-case hex of the SHA-1. */
  serverDescriptor(digest: string): ServerDescriptor | undefined {
    return this.#descriptors.get(digest)
  }

  /** The newest held of a relay. */
  serverDescriptorOf(fingerprint: string): ServerDescriptor | undefined {
    const digest = this.#newest.get(fingerprint)
    return digest === undefined ? undefined : this.#descriptors.get(digest)
  }

  /** The newest of each relay. */
  *serverDescriptors(): Iterable<ServerDescriptor> {
    for (const digest of this.#newest.values()) {
      const descriptor = this.#descriptors.get(digest)
      if (descriptor !== undefined) yield descriptor
    }
  }

  addServerDescriptors(descriptors: readonly ServerDescriptor[]): void {
    const added: ServerDescriptor[] = []
    for (const descriptor of descriptors) {
      const digest = hexEncodeUpper(descriptor.digest)
      if (this.#descriptors.has(digest) || this.#descriptors.size >= DIR_CACHE_DOCUMENTS_MAX) continue
      this.#keepDescriptor(digest, descriptor)
      added.push(descriptor)
    }
    if (added.length === 0) return
    this.#files.appendDescriptors(added, () => this.#descriptors.values())
    this.#notifyDescriptors()
  }

  extraInfo(digest: string): ExtraInfo | undefined {
    return this.#extraInfos.get(digest)
  }

  extraInfoOf(fingerprint: string): ExtraInfo | undefined {
    const digest = this.serverDescriptorOf(fingerprint)?.extraInfoDigest
    return digest === undefined ? undefined : this.#extraInfos.get(hexEncodeUpper(digest.sha1))
  }

  extraInfos(): Iterable<ExtraInfo> {
    return this.#extraInfos.values()
  }

  addExtraInfos(documents: readonly ExtraInfo[]): void {
    const added: ExtraInfo[] = []
    for (const document of documents) {
      const digest = hexEncodeUpper(document.digest)
      if (this.#extraInfos.has(digest) || this.#extraInfos.size >= DIR_CACHE_DOCUMENTS_MAX) continue
      this.#extraInfos.set(digest, document)
      added.push(document)
    }
    if (added.length > 0) this.#files.appendExtraInfos(added, () => this.#extraInfos.values())
  }

  /** `digest`: unpadded base64 of the SHA-256. */
  microdescriptor(digest: string): Microdescriptor | undefined {
    return this.#microdescriptors.get(digest)?.document
  }

  microdescriptors(): Iterable<HeldMicrodescriptor> {
    return this.#microdescriptors.values()
  }

  addMicrodescriptors(documents: readonly Microdescriptor[]): void {
    const added: HeldMicrodescriptor[] = []
    const lastListed = this.#runtime.wallNow()
    for (const document of documents) {
      if (this.#microdescriptors.has(document.digestBase64) || this.#microdescriptors.size >= DIR_CACHE_DOCUMENTS_MAX) continue
      const held = { document, lastListed }
      this.#microdescriptors.set(document.digestBase64, held)
      added.push(held)
    }
    if (added.length === 0) return
    this.#files.appendMicrodescriptors(added, () => this.#microdescriptors.values())
    this.#notifyDescriptors()
  }

  #notifyDescriptors(): void {
    for (const listener of this.#listeners) listener.descriptorsChanged?.()
  }

  #keepDescriptor(digest: string, descriptor: ServerDescriptor): void {
    this.#descriptors.set(digest, descriptor)
    const newest = this.serverDescriptorOf(descriptor.fingerprint)
    if (newest === undefined || this.#isNewer(descriptor, newest)) this.#newest.set(descriptor.fingerprint, digest)
  }

  /** One from before a clock was set back is not newer than any that nobody takes for a mistake. */
  #isNewer(one: ServerDescriptor, other: ServerDescriptor): boolean {
    const now = this.#runtime.wallNow()
    const isAhead = isTooFarAhead(one.published, now)
    return isAhead === isTooFarAhead(other.published, now) ? one.published >= other.published : !isAhead
  }

  #load(): void {
    const now = this.#runtime.wallNow()
    for (const certificate of this.#files.readCertificates()) {
      if (this.#trusted.has(certificate.identityFingerprint) && certificate.expires >= now) {
        this.#certificates.set(`${certificate.identityFingerprint}-${certificate.signingKeyFingerprint}`, certificate)
      }
    }
    for (const flavour of ['ns', 'microdesc'] as const) {
      const consensus = this.#files.readConsensus(flavour, this.#trusted, this.certificateOf, now)
      if (consensus !== undefined) this.#consensuses.set(flavour, consensus)
    }
    for (const descriptor of this.#files.readDescriptors(now)) {
      if (descriptor.published >= now - DESCRIPTOR_KEPT) this.#keepDescriptor(hexEncodeUpper(descriptor.digest), descriptor)
    }
    for (const document of this.#files.readExtraInfos((fingerprint) => this.serverDescriptorOf(fingerprint))) {
      this.#extraInfos.set(hexEncodeUpper(document.digest), document)
    }
    for (const held of this.#files.readMicrodescriptors()) {
      if (held.lastListed >= now - MICRODESCRIPTOR_KEPT) this.#microdescriptors.set(held.document.digestBase64, held)
    }
  }

  #markListed(consensus: Consensus): void {
    if (consensus.flavour !== 'microdesc') return
    const now = this.#runtime.wallNow()
    for (const { microdescriptorDigest: digest } of consensus.relays) {
      const held = digest === undefined ? undefined : this.#microdescriptors.get(digest)
      if (held !== undefined) held.lastListed = now
    }
  }

  /** Forgets what is too old and no longer listed. The files lose it when they are next rewritten. */
  #expire(): void {
    const now = this.#runtime.wallNow()
    for (const [digest, held] of this.#microdescriptors) if (held.lastListed < now - MICRODESCRIPTOR_KEPT) this.#microdescriptors.delete(digest)
    for (const [key, certificate] of this.#certificates) if (certificate.expires < now - CERTIFICATE_KEPT) this.#certificates.delete(key)
    const listed = this.#listedDescriptors()
    for (const [digest, descriptor] of this.#descriptors) {
      if (descriptor.published >= now - DESCRIPTOR_KEPT || listed.has(digest)) continue
      this.#descriptors.delete(digest)
      if (this.#newest.get(descriptor.fingerprint) === digest) this.#newest.delete(descriptor.fingerprint)
    }
    for (const [digest, document] of this.#extraInfos) if (document.published < now - DESCRIPTOR_KEPT) this.#extraInfos.delete(digest)
  }

  #listedDescriptors(): Set<string> {
    const listed = new Set<string>()
    for (const relay of this.#consensuses.get('ns')?.relays ?? []) {
      if (relay.descriptorDigest !== undefined) listed.add(hexEncodeUpper(relay.descriptorDigest))
    }
    return listed
  }
}

