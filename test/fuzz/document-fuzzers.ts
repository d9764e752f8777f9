/** Fuzzers of directory documents, from documents that C tor wrote. What parses must parse the same after being emitted. */

import { strictEqual } from 'node:assert'
import { readFileSync } from 'node:fs'
import { latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import type { ErrorKind } from '../../src/core/base/errors.ts'
import { wallMs } from '../../src/core/base/time.ts'
import * as authority from '../../src/core/netdoc/authority-certificate.ts'
import * as bandwidth from '../../src/core/netdoc/bandwidth-file.ts'
import * as consensus from '../../src/core/netdoc/consensus.ts'
import { applyConsensusDiff, generateConsensusDiff } from '../../src/core/netdoc/consensus-diff.ts'
import * as detached from '../../src/core/netdoc/detached-signatures.ts'
import { applyEdCommands } from '../../src/core/netdoc/ed-diff.ts'
import { ExitPolicy, parseDescriptorRule } from '../../src/core/netdoc/exit-policy.ts'
import * as extraInfo from '../../src/core/netdoc/extra-info.ts'
import * as hs from '../../src/core/netdoc/hs-descriptor-outer.ts'
import * as micro from '../../src/core/netdoc/microdescriptor.ts'
import { PortPolicy } from '../../src/core/netdoc/port-policy.ts'
import { ProtocolList } from '../../src/core/netdoc/protocol-list.ts'
import { emitServerDescriptor } from '../../src/core/netdoc/server-descriptor-emit.ts'
import * as server from '../../src/core/netdoc/server-descriptor.ts'
import * as votes from '../../src/core/netdoc/vote.ts'
import { compareReaders } from '../support/quick-and-careful.ts'
import { documentKinds, type Fuzzer } from './fuzzer.ts'

const vector = (name: string): string => latin1Decode(readFileSync(new URL(`../vectors/c-tor-0.4.9.11/netdoc/${name}`, import.meta.url)))

/** From one flavour to the other: much changes. */
const vectorDiff = (): string => {
  const [base, other] = [vector('consensus-ns'), vector('consensus-microdesc')]
  return generateConsensusDiff(base, other) ?? ''
}

interface DocumentFuzzer<T> {
  readonly examples: () => readonly string[]
  readonly parse: (text: string) => T
  readonly emit?: (document: T) => string
  /** Whatever else is done with a document once it has parsed. May throw what documents may throw. */
  readonly use?: (document: T) => unknown
  readonly smokeCases?: number
  readonly kinds?: readonly ErrorKind[]
}

function documents<T>(name: string, fuzzer: DocumentFuzzer<T>): Fuzzer {
  return {
    name: `netdoc/${name}`,
    corpus: () => fuzzer.examples().map(latin1Encode),
    run: (input) => {
      const document = fuzzer.parse(latin1Decode(input))
      if (fuzzer.emit !== undefined) {
        const emitted = fuzzer.emit(document)
        strictEqual(fuzzer.emit(fuzzer.parse(emitted)), emitted)
      }
      fuzzer.use?.(document)
      return document
    },
    allowed: fuzzer.kinds ?? documentKinds,
    form: 'text',
    inputBytesMax: 64 * 1024,
    smokeCases: fuzzer.smokeCases ?? 150,
    growthMax: 400,
  }
}

const anyTime = 'any-time'

export const documentFuzzers: readonly Fuzzer[] = [
  documents('server-descriptor', {
    examples: () => server.splitDocuments(vector('server-descriptors'), 'router'),
    parse: (text) => server.parseServerDescriptor(text),
    emit: emitServerDescriptor,
    use: (descriptor) => {
      micro.makeMicrodescriptor(server.verifyServerDescriptor(descriptor, anyTime), 35)
    },
  }),
  documents('server-descriptors', { examples: () => [vector('server-descriptors')], parse: (text) => server.parseServerDescriptors(text), smokeCases: 60 }),
  documents('extra-info', {
    examples: () => server.splitDocuments(vector('extra-info'), 'extra-info'),
    parse: (text) => extraInfo.parseExtraInfo(text),
    emit: extraInfo.emitExtraInfo,
  }),
  documents('extra-infos', { examples: () => [vector('extra-info')], parse: (text) => extraInfo.parseExtraInfos(text), smokeCases: 60 }),
  documents('microdescriptor', {
    examples: () => micro.parseMicrodescriptors(vector('microdescriptors')).map((one) => one.text),
    parse: micro.parseMicrodescriptor,
  }),
  documents('microdescriptors', { examples: () => [vector('microdescriptors')], parse: micro.parseMicrodescriptors, smokeCases: 80 }),
  documents('cached-microdescriptors', { examples: () => [vector('cached-microdescs')], parse: micro.parseMicrodescriptorsLeniently, smokeCases: 80 }),
  documents('authority-certificate', {
    examples: () => server.splitDocuments(vector('certificates'), 'dir-key-certificate-version'),
    parse: authority.parseAuthorityCertificate,
    emit: authority.emitAuthorityCertificate,
    use: authority.verifyAuthorityCertificate,
  }),
  documents('authority-certificates', { examples: () => [vector('cached-certs')], parse: authority.parseAuthorityCertificates, smokeCases: 60 }),
  documents('consensus', {
    examples: () => [vector('consensus-ns'), vector('consensus-microdesc')],
    parse: (text) => {
      for (const flavour of ['ns', 'microdesc'] as const) compareReaders(text, flavour)
      return consensus.parseConsensus(text)
    },
    emit: consensus.emitConsensus,
    use: (document) => consensus.checkConsensusSignatures(document, new Set(document.signatures.map((one) => one.identityFingerprint)), () => undefined, wallMs(0)),
  }),
  documents('consensus-diff', { examples: () => [vectorDiff()], parse: (text) => applyConsensusDiff(vector('consensus-ns'), text) }),
  // Without the digests, which let hardly any mutation through.
  documents('consensus-diff-commands', {
    examples: () => [vectorDiff().split('\n').slice(2, -1).join('\n'), '3,$d\n2c\nx\n.\n0a\ny\nz\n.'],
    parse: (text) => applyEdCommands(vector('consensus-ns').split('\n'), text.split('\n')),
    smokeCases: 400,
  }),
  documents('vote', {
    examples: () => ['vote-auth1', 'vote-auth2', 'vote-auth3'].map(vector),
    parse: votes.parseVote,
    emit: votes.emitVote,
    use: (vote) => votes.verifyVote(vote, anyTime),
  }),
  documents('detached-signatures', { examples: () => [vector('detached-signatures')], parse: detached.parseDetachedSignatures, emit: detached.emitDetachedSignatures }),
  documents('bandwidth-file', { examples: () => [vector('bandwidth-file')], parse: bandwidth.parseBandwidthFile, emit: bandwidth.emitBandwidthFile }),
  documents('hs-descriptor-outer', {
    examples: () => [vector('hs-descriptor')],
    parse: hs.parseHsDescriptorOuter,
    use: (document) => hs.verifyHsDescriptorOuter(document, wallMs(0)),
  }),
  documents('exit-policy', {
    examples: () => ['accept *:80,reject 10.0.0.0/8:1-1024,accept6 [::1]:*,reject private:*,reject *:*', 'accept 1.2.3.4:22'],
    parse: (text) => ExitPolicy.parse(text),
    use: (policy) => [policy.allows('1.2.3.4', 80), policy.allows('::1', 443), policy.verdictForPort(80), policy.summary(4), policy.toLines()],
    kinds: ['config', 'limit'],
    smokeCases: 600,
  }),
  documents('descriptor-rule', { examples: () => ['1.2.3.4/8:1-5', '*:*', '[::]/0:443'], parse: (text) => [parseDescriptorRule('accept', text), parseDescriptorRule('reject6', text)], smokeCases: 600 }),
  documents('port-policy', { examples: () => ['accept 80,443,1000-2000', 'reject 1-65535'], parse: (text) => PortPolicy.parse(text), smokeCases: 600 }),
  documents('protocol-list', { examples: () => ['Cons=1-2 Desc=1-2 Relay=1-4 Link=1-5,7', ''], parse: (text) => ProtocolList.parse(text), smokeCases: 600 }),
]
