/** Documents of the public network, which are old and in part cropped: they parse, and what we write of them parses to the same. */

import { describe, expect, test } from 'vitest'
import { wallMs } from '../../../src/core/base/time.ts'
import { emitAuthorityCertificate, parseAuthorityCertificates, verifyAuthorityCertificate } from '../../../src/core/netdoc/authority-certificate.ts'
import { emitBandwidthFile, parseBandwidthFile } from '../../../src/core/netdoc/bandwidth-file.ts'
import { emitConsensus, parseConsensus } from '../../../src/core/netdoc/consensus.ts'
import { emitDetachedSignatures, parseDetachedSignatures } from '../../../src/core/netdoc/detached-signatures.ts'
import { emitExtraInfo, parseExtraInfos } from '../../../src/core/netdoc/extra-info.ts'
import { emitMicrodescriptor, parseMicrodescriptors } from '../../../src/core/netdoc/microdescriptor.ts'
import { emitServerDescriptor } from '../../../src/core/netdoc/server-descriptor-emit.ts'
import { parseServerDescriptors, verifyServerDescriptor, type ServerDescriptorUnverified } from '../../../src/core/netdoc/server-descriptor.ts'
import { Cursor } from '../../../src/core/netdoc/metaformat.ts'
import { RouterStatusReader } from '../../../src/core/netdoc/router-status.ts'
import { publicDocument } from './vectors.ts'

/** The folder lies beside the project on the machines where it is developed; elsewhere there is nothing to test here. */
const present = publicDocument('metrics_consensus') !== undefined
const read = (name: string): string => publicDocument(name) ?? ''

/** What a document says, apart from its text and digests. */
function content(document: object): object {
  const { text: _text, digest: _digest, digestSha256: _sha256, sha1: _sha1, ...rest } = document as Record<string, unknown>
  return rest
}

describe.runIf(present)('documents of the public network', () => {
  test('server descriptor with ed25519 keys: verifies, and re-emits but for what is written in another way now', () => {
    const [descriptor] = parseServerDescriptors(read('server_descriptor_with_ed25519'), 'skip')
    if (descriptor === undefined) throw new Error('none')
    // Its "proto" line has another form and name, "protocols"; for the rest it is sound.
    const checkable: ServerDescriptorUnverified = { ...descriptor, protocols: parseServerDescriptors(read('server_descriptor_with_ed25519').replace('protocols Link 1 2 Circuit 1', 'proto Link=1-2'), 'skip')[0]?.protocols ?? descriptor.protocols }
    expect(verifyServerDescriptor(checkable, 'any-time').fingerprint).toBe('F65E0196C94DFFF48AFBF2F5F9E3E19AAE583FD0')
    expect(() => verifyServerDescriptor(checkable, wallMs(Date.UTC(2020, 0)))).toThrow(/expired/)
    expect(() => verifyServerDescriptor(descriptor, 'any-time')).toThrow(/proto/)
    expect(content(parseServerDescriptors(emitServerDescriptor(descriptor))[0] ?? {})).toEqual(content(descriptor))
    expect(emitServerDescriptor(descriptor)).toBe(descriptor.text.replace('protocols Link 1 2 Circuit 1\n', '').replace(/^(ntor-onion-key .*)=$/m, '$1'))
    expect(descriptor.ipv6Policy?.text).toBe('reject 25,465,587,10000,14464')
    expect(descriptor.orAddresses).toEqual([{ host: '2a01:608:ffff:ff07::1:23', port: 9003 }])
  })

  test('server descriptors from before ed25519', () => {
    const descriptors = parseServerDescriptors(read('metrics_server_desc_multiple'), 'skip')
    expect(descriptors).toHaveLength(2)
    for (const one of descriptors) {
      expect(one.hiddenServiceDir).toBe(true)
      expect(content(parseServerDescriptors(emitServerDescriptor(one))[0] ?? {})).toEqual(content(one))
    }
  })

  test('extra-info documents', () => {
    for (const name of ['extrainfo_relay_descriptor', 'extrainfo_descriptor_with_ed25519']) {
      const [document] = parseExtraInfos(read(name), 'skip')
      if (document === undefined) throw new Error('none')
      expect(emitExtraInfo(document)).toBe(document.text.endsWith('\n') ? document.text : `${document.text}\n`)
    }
  })

  test('microdescriptors', () => {
    const documents = parseMicrodescriptors(read('cached-microdescs'))
    expect(documents).toHaveLength(3)
    for (const one of documents) expect(content(parseMicrodescriptors(emitMicrodescriptor(one))[0] ?? {})).toEqual({ ...content(one), digestBase64: expect.any(String) })
  })

  test('authority certificates, also from before cross-certificates', () => {
    const [old] = parseAuthorityCertificates(read('metrics_cert'))
    if (old === undefined) throw new Error('none')
    expect(old.identityKey.verifyDigest(old.digest, old.certification)).toBe(true)
    expect(() => verifyAuthorityCertificate(old)).toThrow(/no dir-key-crosscert/)
    expect(emitAuthorityCertificate(old)).toBe(old.text)
    for (const certificate of parseAuthorityCertificates(read('cached-certs'))) {
      expect(verifyAuthorityCertificate(certificate).identityFingerprint).toBe(certificate.identityFingerprint)
      expect(emitAuthorityCertificate(certificate)).toBe(certificate.text)
    }
  })

  test('a consensus, cropped by its source', () => {
    const consensus = parseConsensus(read('metrics_consensus'))
    expect(consensus.sources).toHaveLength(8)
    expect(consensus.signatures).toHaveLength(8)
    expect(consensus.relays.length).toBeGreaterThan(3)
    expect(content(parseConsensus(emitConsensus(consensus)))).toEqual(content(consensus))
  })

  test('detached signatures', () => {
    const text = read('detached_signatures')
    expect(emitDetachedSignatures(parseDetachedSignatures(text)).trimEnd()).toBe(text.trimEnd())
  })

  test('bandwidth files of two versions', () => {
    const old = parseBandwidthFile(read('bandwidth_file_v1.0'))
    const recent = parseBandwidthFile(read('bandwidth_file_v1.4'))
    expect([old.version, recent.version]).toEqual(['1.0.0', '1.4.0'])
    for (const file of [old, recent]) {
      expect(file.relays.length).toBeGreaterThan(10)
      expect(file.malformedLines).toBe(0)
      expect(emitBandwidthFile(file).trimEnd()).toBe(file.text.trimEnd())
    }
  })

  test('entries of a bridge authority’s status', () => {
    const text = read('bridge_network_status')
    const cursor = new Cursor(text, { start: text.indexOf('\nr ') + 1 })
    const reader = new RouterStatusReader('ns')
    let count = 0
    for (; cursor.more(); count++) reader.read(cursor)
    expect(count).toBe(text.split('\nr ').length - 1)
  })
})

test('the folder of public documents is looked for beside the project', () => {
  expect(typeof present).toBe('boolean')
})
