/**
 * `majority-rule`: a consensus counts if more than half of the authorities have signed it, and not otherwise (dir-spec
 * §3.8, §4). The network's own document, in both flavours, is given to the verifier that nodes use with every number of
 * good signatures, the others left out, forged, signed for another document, or made by a stranger's key.
 */

import { hexEncodeUpper } from '../../core/base/encoding.ts'
import { RelishError } from '../../core/base/errors.ts'
import { wallMs } from '../../core/base/time.ts'
import { SeededRng } from '../../core/base/rng.ts'
import { rsaKeyFromRng } from '../../core/crypto/rsa-seeded.ts'
import { parseAuthorityCertificates, verifyAuthorityCertificate } from '../../core/netdoc/authority-certificate.ts'
import { assembleConsensus, parseConsensus, signConsensus, unsignedTextOf, verifyConsensus, type ConsensusUnverified } from '../../core/netdoc/consensus.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { runningAuthorities } from '../running-nodes.ts'
import type { Check } from './check.ts'

type Signature = ConsensusUnverified['signatures'][number]

export const majorityRule: Check = {
  name: 'majority-rule',
  summary: 'a consensus counts with good signatures of more than half of the authorities, never with fewer',
  tags: ['full', 'directory'],
  notFor: (network) => (network.nodes().some((node) => node.role === 'authority' && node.implementation === 'relish') ? undefined : 'every authority is C tor, which does not hand out its certificates here'),
  async run({ network, expect }) {
    const source = runningAuthorities(network).find((node) => node.implementation === 'relish')?.name
    const from = expect.defined(source, 'no authority of our own runs')
    const certificates = parseAuthorityCertificates(await documentOf(network, from, 'certificates')).map((one) => verifyAuthorityCertificate(one))
    const trusted = new Set(certificates.map((one) => one.identityFingerprint))
    const required = Math.floor(trusted.size / 2) + 1
    const stranger = rsaKeyFromRng(new SeededRng('a stranger who signs consensuses'), strangerBits)
    const evidence: string[] = []
    for (const [flavour, name] of [['ns', 'consensus'], ['microdesc', 'consensus-microdesc']] as const) {
      const whole = parseConsensus(await documentOf(network, from, name))
      const unsigned = unsignedTextOf(whole)
      const isAccepted = (signatures: readonly Signature[]): boolean => {
        const candidate = parseConsensus(assembleConsensus(unsigned, signatures))
        return accepts(() => verifyConsensus(candidate, trusted, (identity, signing) => certificates.find((one) => one.identityFingerprint === identity && one.signingKeyFingerprint === signing), wallMs(network.clock.wallNow())))
      }
      const spoil: Readonly<Record<string, (signature: Signature) => Signature>> = {
        forged: (signature) => ({ ...signature, signature: signature.signature.map((byte) => byte ^ 1) }),
        'for another document': (signature) => ({ ...signature, signature: (whole.signatures.find((other) => other.identityFingerprint !== signature.identityFingerprint) ?? signature).signature }),
        "a stranger's": (signature) => ({ ...signature, signature: signConsensus(unsigned, flavour, signature.identityFingerprint, stranger).signature }),
        "an unknown authority's": (signature) => ({ ...signature, identityFingerprint: hexEncodeUpper(new Uint8Array(20).fill(7)) }),
      }
      for (let good = 0; good <= whole.signatures.length; good++) {
        const expected = good >= required ? 'accepted' : 'refused'
        const outcome = (signatures: readonly Signature[]): string => (isAccepted(signatures) ? 'accepted' : 'refused')
        if (good > 0) expect.equal(outcome(whole.signatures.slice(0, good)), expected, `a ${flavour} consensus with ${good} of ${trusted.size} signatures, ${required} needed`)
        for (const [words, spoiled] of Object.entries(spoil)) {
          if (good === whole.signatures.length) continue
          const signatures = whole.signatures.map((one, index) => (index < good ? one : spoiled(one)))
          expect.equal(outcome(signatures), expected, `a ${flavour} consensus with ${good} of ${trusted.size} good signatures, the others ${words}, ${required} needed`)
        }
      }
      const first = whole.signatures[0]
      if (required > 1 && first !== undefined) expect(!isAccepted(Array.from({ length: trusted.size }, () => first)), `a ${flavour} consensus with the signature of one authority ${trusted.size} times was accepted`)
      evidence.push(`${flavour}: of ${trusted.size} authorities ${required} are needed: refused with 0 to ${required - 1} good signatures and the others missing, ${Object.keys(spoil).join(', ')}, or one of them repeated; accepted with ${required} to ${whole.signatures.length}`)
    }
    return evidence
  },
}

const strangerBits = 1024

const documentOf = async (network: RunningNetwork, node: string, name: string): Promise<string> => String(await network.command(node, { command: 'document', name }))

/** Refusing is an answer; any other error is not. */
function accepts(action: () => unknown): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (error instanceof RelishError && (error.kind === 'bad-signature' || error.kind === 'bad-document')) return false
    throw error
  }
}
