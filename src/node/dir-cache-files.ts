/**
 * The cached documents in the data directory, under C tor's file names and in its formats. Descriptors have a main file
 * and a journal (`.new`) that additions go to; the journal is folded into the main file when it has grown.
 *
 * A file that cannot be read or written costs a warning: everything in it can be fetched again.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { formatIsoTime, wallMs, type WallMs } from '../core/base/time.ts'
import type { AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import { verifyConsensus, type CertificateLookup, type Consensus, type ConsensusFlavour } from '../core/netdoc/consensus.ts'
import type { ExtraInfo } from '../core/netdoc/extra-info.ts'
import type { Microdescriptor } from '../core/netdoc/microdescriptor.ts'
import { splitDocuments, type ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { Runtime } from '../runtime/index.ts'
import { JOURNAL_BYTES_MAX } from './dir-limits.ts'
import { readCertificates, readConsensus, readExtraInfo, readMicrodescriptors, readServerDescriptor, sharedSignatureTest, verifySharedExtraInfo } from './shared-documents.ts'

export interface HeldMicrodescriptor {
  readonly document: Microdescriptor
  /** When a consensus last listed it, or it came. */
  lastListed: WallMs
}

const annotated = (held: HeldMicrodescriptor): string => `@last-listed ${formatIsoTime(held.lastListed)}\n${held.document.text}`

const consensusFile = (flavour: ConsensusFlavour): string => (flavour === 'ns' ? 'cached-consensus' : 'cached-microdesc-consensus')
const certificatesFile = 'cached-certs'
const microdescriptorsFile = 'cached-microdescs'
const descriptorsFile = 'cached-descriptors'
const extraInfosFile = 'cached-extrainfo'

export class DirCacheFiles {
  readonly #runtime: Pick<Runtime, 'files' | 'log' | 'memory'>

  constructor(runtime: Pick<Runtime, 'files' | 'log' | 'memory'>) {
    this.#runtime = runtime
  }

  /** Holds these descriptors of every kind from now on, and no others. */
  replaceDescriptors(all: { readonly microdescriptors: readonly HeldMicrodescriptor[]; readonly descriptors: readonly ServerDescriptor[]; readonly extraInfos: readonly ExtraInfo[] }): void {
    this.#replace(microdescriptorsFile, all.microdescriptors.map(annotated))
    this.#replace(descriptorsFile, all.descriptors.map((one) => one.text))
    this.#replace(extraInfosFile, all.extraInfos.map((one) => one.text))
  }

  writeConsensus(consensus: Consensus): void {
    this.#write(consensusFile(consensus.flavour), consensus.text)
  }

  /** Undefined when there is none, or it does not verify with the certificates held. */
  readConsensus(flavour: ConsensusFlavour, trusted: ReadonlySet<string>, certificateOf: CertificateLookup, now: WallMs): Consensus | undefined {
    const text = this.#read(consensusFile(flavour))
    if (text === undefined) return undefined
    return this.#tolerate(`${consensusFile(flavour)} in the data directory`, () => {
      const parsed = readConsensus(this.#runtime, text)
      if (parsed.flavour !== flavour) throw new RelishError('bad-document', 'it is of another flavour')
      return verifyConsensus(parsed, trusted, certificateOf, now, sharedSignatureTest(this.#runtime))
    })
  }

  writeCertificates(certificates: Iterable<AuthorityCertificate>): void {
    this.#write(certificatesFile, [...certificates].map((one) => one.text).join(''))
  }

  readCertificates(): AuthorityCertificate[] {
    const text = this.#read(certificatesFile)
    if (text === undefined) return []
    return this.#tolerate(certificatesFile, () => readCertificates(this.#runtime, text)) ?? []
  }

  appendMicrodescriptors(added: readonly HeldMicrodescriptor[], all: () => Iterable<HeldMicrodescriptor>): void {
    this.#append(microdescriptorsFile, added.map(annotated), () => [...all()].map(annotated))
  }

  readMicrodescriptors(): HeldMicrodescriptor[] {
    const stored = [this.#read(microdescriptorsFile), this.#read(`${microdescriptorsFile}.new`)]
    return stored.flatMap((text) =>
      text === undefined
        ? []
        : readMicrodescriptors(this.#runtime, text).map(({ microdescriptor, lastListed }) => ({ document: microdescriptor, lastListed: lastListed ?? wallMs(0) })),
    )
  }

  appendDescriptors(added: readonly ServerDescriptor[], all: () => Iterable<ServerDescriptor>): void {
    this.#append(descriptorsFile, added.map((one) => one.text), () => [...all()].map((one) => one.text))
  }

  readDescriptors(now: WallMs): ServerDescriptor[] {
    return this.#readDocuments(descriptorsFile, 'router', (text) => readServerDescriptor(this.#runtime, text, 'skip', now))
  }

  appendExtraInfos(added: readonly ExtraInfo[], all: () => Iterable<ExtraInfo>): void {
    this.#append(extraInfosFile, added.map((one) => one.text), () => [...all()].map((one) => one.text))
  }

  readExtraInfos(descriptorOf: (fingerprint: string) => ServerDescriptor | undefined): ExtraInfo[] {
    return this.#readDocuments(extraInfosFile, 'extra-info', (text) => {
      const parsed = readExtraInfo(this.#runtime, text, 'skip')
      const owner = descriptorOf(parsed.fingerprint)
      if (owner === undefined) throw new RelishError('unavailable', 'the relay has no descriptor')
      return verifySharedExtraInfo(this.#runtime, parsed, owner)
    })
  }

  /** Each document that is good; the others are left out, since old ones expire and that is no fault. */
  #readDocuments<T>(path: string, keyword: string, parse: (text: string) => T): T[] {
    const found: T[] = []
    for (const text of [this.#read(path), this.#read(`${path}.new`)]) {
      for (const one of text === undefined ? [] : splitDocuments(text, keyword)) {
        try {
          found.push(parse(one))
        } catch (thrown) {
          const error = asRelishError(thrown)
          if (error.kind === 'bug') throw error
          this.#runtime.log.write('info', 'dir', `A document in ${path} is not used: ${error.message}`)
        }
      }
    }
    return found
  }

  #append(path: string, added: readonly string[], all: () => readonly string[]): void {
    try {
      const { files } = this.#runtime
      files.append(`${path}.new`, latin1Encode(added.join('')))
      const journal = files.stat(`${path}.new`)?.bytes ?? 0
      if (journal < JOURNAL_BYTES_MAX || journal < (files.stat(path)?.bytes ?? 0) / 2) return
      files.write(path, latin1Encode(all().join('')))
      files.write(`${path}.new`, new Uint8Array(0))
    } catch (thrown) {
      this.#warn(`Unable to write ${path}`, thrown)
    }
  }

  #replace(path: string, texts: readonly string[]): void {
    try {
      this.#runtime.files.remove(`${path}.new`)
    } catch (thrown) {
      this.#warn(`Unable to remove ${path}.new`, thrown)
    }
    this.#write(path, texts.join(''))
  }

  #write(path: string, text: string): void {
    try {
      this.#runtime.files.write(path, latin1Encode(text))
    } catch (thrown) {
      this.#warn(`Unable to write ${path}`, thrown)
    }
  }

  #read(path: string): string | undefined {
    try {
      const content = this.#runtime.files.read(path)
      return content === undefined ? undefined : latin1Decode(content)
    } catch (thrown) {
      this.#warn(`Unable to read ${path}`, thrown)
      return undefined
    }
  }

  #tolerate<T>(what: string, read: () => T): T | undefined {
    try {
      return read()
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#runtime.log.write('info', 'dir', `Not using ${what}: ${error.message}`)
      return undefined
    }
  }

  #warn(what: string, thrown: unknown): void {
    const error = asRelishError(thrown)
    if (error.kind === 'bug') throw error
    this.#runtime.log.write('warn', 'dir', `${what}: ${error.message}`)
  }
}
