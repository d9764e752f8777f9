import { describe, expect, test } from 'vitest'
import { hexEncodeUpper } from '../../../src/core/base/encoding.ts'
import { wallMs } from '../../../src/core/base/time.ts'
import { emitAuthorityCertificate, parseAuthorityCertificates, verifyAuthorityCertificate } from '../../../src/core/netdoc/authority-certificate.ts'
import { emitBandwidthFile, parseBandwidthFile } from '../../../src/core/netdoc/bandwidth-file.ts'
import { checkConsensusSignatures, emitConsensus, parseConsensus, verifyConsensus, type CertificateLookup } from '../../../src/core/netdoc/consensus.ts'
import { emitDetachedSignatures, parseDetachedSignatures } from '../../../src/core/netdoc/detached-signatures.ts'
import { emitExtraInfo, parseExtraInfos, verifyExtraInfo } from '../../../src/core/netdoc/extra-info.ts'
import { emitMicrodescriptor, makeMicrodescriptor, parseMicrodescriptors, parseMicrodescriptorsLeniently } from '../../../src/core/netdoc/microdescriptor.ts'
import { emitServerDescriptor } from '../../../src/core/netdoc/server-descriptor-emit.ts'
import { parseServerDescriptors, splitDocuments, verifyServerDescriptor } from '../../../src/core/netdoc/server-descriptor.ts'
import { emitVote, parseVote, verifyVote } from '../../../src/core/netdoc/vote.ts'
import { captured } from './vectors.ts'

const hex = (bytes: Uint8Array | undefined): string => hexEncodeUpper(bytes ?? new Uint8Array())

const consensus = parseConsensus(captured('consensus-ns'))
const now = consensus.validAfter
const certificates = parseAuthorityCertificates(captured('certificates')).map(verifyAuthorityCertificate)
const trusted = new Set(certificates.map((certificate) => certificate.identityFingerprint))
const lookup: CertificateLookup = (identity, key) =>
  certificates.find((certificate) => certificate.identityFingerprint === identity && certificate.signingKeyFingerprint === key)

describe('documents captured from a C tor network', () => {
  test('server descriptors verify and re-emit byte for byte', () => {
    const text = captured('server-descriptors')
    const descriptors = parseServerDescriptors(text)
    expect(descriptors).toHaveLength(6)
    expect(splitDocuments(text, 'router').map((one) => one.trim())).toEqual(descriptors.map((one) => one.text.trim()))
    for (const descriptor of descriptors) {
      expect(verifyServerDescriptor(descriptor, now).nickname).toBe(descriptor.nickname)
      expect(emitServerDescriptor(descriptor)).toBe(descriptor.text)
    }
    const exit = descriptors.find((one) => one.nickname === 'exit1')
    expect(exit?.exitPolicy.allows('127.0.0.1', 9)).toBe(true)
    expect(exit?.exitPolicy.allows('1.2.3.4', 25)).toBe(false)
    expect(exit?.orAddresses).toEqual([{ host: '::1', port: exit?.orPort }])
    expect(descriptors.find((one) => one.nickname === 'mid1')?.familyIds).toHaveLength(1)
  })

  test('extra-info documents verify, re-emit, and have the digests their descriptors name', () => {
    const descriptors = parseServerDescriptors(captured('server-descriptors'))
    const documents = parseExtraInfos(captured('extra-info'))
    expect(documents.length).toBeGreaterThan(3)
    for (const document of documents) {
      const owner = descriptors.find((descriptor) => descriptor.fingerprint === document.fingerprint)
      if (owner === undefined) throw new Error('no descriptor')
      expect(verifyExtraInfo(document, owner).nickname).toBe(owner.nickname)
      expect(emitExtraInfo(document)).toBe(document.text)
      expect(hex(owner.extraInfoDigest?.sha1)).toBe(hex(document.digest))
      expect(hex(owner.extraInfoDigest?.sha256)).toBe(hex(document.digestSha256))
    }
  })

  test('microdescriptors re-emit, are made from descriptors, and are those of the consensus', () => {
    const fetched = parseMicrodescriptors(captured('microdescriptors'))
    const listed = parseConsensus(captured('consensus-microdesc'))
    expect(fetched).toHaveLength(6)
    for (const one of fetched) expect(emitMicrodescriptor(one)).toBe(one.text)
    const made = parseServerDescriptors(captured('server-descriptors')).map((one) => makeMicrodescriptor(verifyServerDescriptor(one, now), listed.consensusMethod))
    expect(made.map((one) => one?.digestBase64).sort()).toEqual(listed.relays.map((relay) => relay.microdescriptorDigest).sort())
    expect(made.map((one) => one?.text).sort()).toEqual(fetched.map((one) => one.text).sort())
    const cached = parseMicrodescriptorsLeniently(captured('cached-microdescs'))
    expect(cached.malformed).toEqual([])
    expect(cached.found.map((one) => one.microdescriptor.digestBase64).sort()).toEqual(fetched.map((one) => one.digestBase64).sort())
    expect(cached.found.every((one) => one.lastListed !== undefined)).toBe(true)
  })

  test('certificates verify and re-emit', () => {
    expect(certificates).toHaveLength(3)
    expect(certificates.map(emitAuthorityCertificate).join('')).toBe(captured('certificates'))
    expect(parseAuthorityCertificates(captured('cached-certs'))).toHaveLength(3)
  })

  test('both consensus flavours verify by majority and re-emit', () => {
    for (const name of ['consensus-ns', 'consensus-microdesc']) {
      const text = captured(name)
      const parsed = parseConsensus(text)
      expect(emitConsensus(parsed)).toBe(text)
      expect(verifyConsensus(parsed, trusted, lookup, now).relays).toHaveLength(6)
      expect(checkConsensusSignatures(parsed, trusted, lookup, now).good).toHaveLength(3)
      expect(checkConsensusSignatures(parsed, trusted, () => undefined, now).missingCertificates).toHaveLength(3)
      // A minority's signatures are not enough.
      const minority = { ...parsed, signatures: parsed.signatures.slice(0, 1) }
      expect(() => verifyConsensus(minority, trusted, lookup, now)).toThrow(/1 of the 2 signatures/)
      expect(() => verifyConsensus({ ...parsed, sha1: new Uint8Array(20), sha256: new Uint8Array(32) }, trusted, lookup, now)).toThrow(/3 are bad/)
      expect(() => verifyConsensus(parsed, trusted, lookup, wallMs(Date.UTC(2100, 1)))).toThrow(/certificates are missing/)
    }
  })

  test('votes verify and re-emit, and are those the consensus names', () => {
    for (const name of ['vote-auth1', 'vote-auth2', 'vote-auth3']) {
      const vote = parseVote(captured(name))
      expect(verifyVote(vote, now).relays).toHaveLength(6)
      expect(emitVote(vote)).toBe(vote.text)
      if (vote.validAfter === consensus.validAfter) {
        const source = consensus.sources.find((one) => one.identityFingerprint === vote.source.identityFingerprint)
        expect(hex(source?.voteDigest)).toBe(hex(vote.digest))
      }
    }
  })

  test('detached signatures re-emit', () => {
    const text = captured('detached-signatures')
    const parsed = parseDetachedSignatures(text)
    expect(emitDetachedSignatures(parsed)).toBe(text)
    expect(parsed.signatures.filter((one) => one.flavour === 'ns')).toHaveLength(3)
    for (const signature of parsed.signatures) {
      const digest = signature.flavour === 'ns' ? parsed.consensusDigest : parsed.additionalDigests[0]?.digest
      expect(lookup(signature.identityFingerprint, signature.signingKeyFingerprint)?.signingKey.verifyDigest(digest ?? new Uint8Array(), signature.signature)).toBe(true)
    }
  })

  test('the bandwidth file re-emits', () => {
    const text = captured('bandwidth-file')
    const parsed = parseBandwidthFile(text)
    expect(emitBandwidthFile(parsed)).toBe(text)
    expect(parsed.relays).toHaveLength(6)
    expect(parsed.malformedLines).toBe(0)
  })

  test('one changed byte breaks every signature', () => {
    const text = captured('server-descriptors')
    const [first] = splitDocuments(text, 'router')
    const changed = parseServerDescriptors((first ?? '').replace('uptime ', 'uptime 1'))
    expect(() => verifyServerDescriptor(changed[0] as never, now)).toThrow(/router-sig-ed25519/)
    const vote = parseVote(captured('vote-auth1').replace('cc_alg=2', 'cc_alg=3'))
    expect(() => verifyVote(vote, now)).toThrow(/signature of the vote/)
  })
})
