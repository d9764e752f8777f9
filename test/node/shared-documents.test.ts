/** Nodes of one process share what they read, and nothing of what each of them decides. */

import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../src/core/base/rng.ts'
import { days, later, wallMs } from '../../src/core/base/time.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import { signAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { assembleConsensus, emitUnsignedConsensus, parseConsensus, signConsensus, verifyConsensus } from '../../src/core/netdoc/consensus.ts'
import { parseServerDescriptor, splitDocuments } from '../../src/core/netdoc/server-descriptor.ts'
import { readConsensus, readExtraInfo, readServerDescriptor, rememberOwnDocuments, sharedSignatureTest, verifySharedExtraInfo } from '../../src/node/shared-documents.ts'
import { ProcessMemory } from '../../src/testnet/backend/process-memory.ts'
import { capturedText } from '../core/dirvote/captured.ts'
import { captured } from '../core/netdoc/vectors.ts'

const descriptorText = splitDocuments(capturedText('differing/2026-11-22-10-04-00/descriptors'), 'router')[0] ?? ''
const now = wallMs(Date.UTC(2026, 10, 22, 10, 4))

describe('documents that nodes of a process share', () => {
  test('are read once', () => {
    const runtime = { memory: new ProcessMemory() }
    const first = readServerDescriptor(runtime, descriptorText, 'refuse', now)
    expect(readServerDescriptor(runtime, `${descriptorText}`, 'refuse', now)).toBe(first)
    expect(readServerDescriptor({}, descriptorText, 'refuse', now)).toEqual(first)
  })

  test('what was made here is not read at all', () => {
    const runtime = { memory: new ProcessMemory() }
    const extraInfoText = splitDocuments(captured('extra-info'), 'extra-info')[0] ?? ''
    const parsed = readExtraInfo({}, extraInfoText, 'refuse')
    const text = splitDocuments(captured('server-descriptors'), 'router').find((one) => parseServerDescriptor(one).fingerprint === parsed.fingerprint) ?? ''
    const { published } = parseServerDescriptor(text)
    const descriptor = readServerDescriptor({}, text, 'refuse', published)
    const extraInfo = verifySharedExtraInfo({}, parsed, descriptor)
    rememberOwnDocuments(runtime, { descriptor, extraInfo })
    expect(readServerDescriptor(runtime, `${text}`, 'skip', published)).toBe(descriptor)
    const found = readExtraInfo(runtime, `${extraInfoText}`, 'skip')
    expect(verifySharedExtraInfo(runtime, found, descriptor)).toBe(extraInfo)
    expect(() => readServerDescriptor(runtime, text, 'skip', later(published, days(400)))).toThrow('expired')
  })

  test('a node whose clock says that a certificate has expired refuses it, whatever others found', () => {
    const runtime = { memory: new ProcessMemory() }
    readServerDescriptor(runtime, descriptorText, 'refuse', now)
    const late = later(now, days(400))
    expect(() => readServerDescriptor(runtime, descriptorText, 'refuse', late)).toThrow('expired')
    expect(() => readServerDescriptor({}, descriptorText, 'refuse', late)).toThrow('expired')
    readServerDescriptor(runtime, descriptorText, 'refuse', now)
  })

  test('a bad signature is bad for all', () => {
    const runtime = { memory: new ProcessMemory() }
    const forged = descriptorText.replace(/^bandwidth \d+/m, 'bandwidth 1')
    for (let i = 0; i < 2; i++) expect(() => readServerDescriptor(runtime, forged, 'refuse', now)).toThrow('does not match')
  })

  test('a consensus is verified by each with the authorities it trusts and the certificates it holds', () => {
    const runtime = { memory: new ProcessMemory() }
    const rng = new SeededRng('shared documents')
    const content = parseConsensus(captured('consensus-ns'))
    const signers = [1, 2].map(() => {
      const [identity, signing] = [rsaKeyFromRng(rng, 1024), rsaKeyFromRng(rng, 1024)]
      const published = later(content.validAfter, days(-1))
      return { signing, certificate: signAuthorityCertificate({ published, expires: later(published, days(30)) }, identity, signing) }
    })
    const [one, other] = signers
    if (one === undefined || other === undefined) throw new Error('two signers')
    const unsigned = emitUnsignedConsensus(content)
    const text = assembleConsensus(unsigned, [signConsensus(unsigned, 'ns', one.certificate.identityFingerprint, one.signing)])
    const read = readConsensus(runtime, text)
    expect(readConsensus(runtime, `${text}`)).toBe(read)
    const verify = (trusted: readonly string[], at = content.validAfter, held = one.certificate): unknown =>
      verifyConsensus(read, new Set(trusted), () => held, at, sharedSignatureTest(runtime))
    expect(verify([one.certificate.identityFingerprint])).toBe(read)
    expect(() => verify([other.certificate.identityFingerprint])).toThrow('0 of the 1 signatures')
    expect(() => verify([one.certificate.identityFingerprint], later(content.validAfter, days(60)))).toThrow('1 certificates are missing')
    // Under the name of the right key, another one: the signature is not its.
    const { signingKey, signingKeyFingerprint } = other.certificate
    expect(() => verify([one.certificate.identityFingerprint], content.validAfter, { ...one.certificate, signingKey, signingKeyFingerprint })).toThrow('1 are bad')
    expect(verify([one.certificate.identityFingerprint])).toBe(read)
  })
})
