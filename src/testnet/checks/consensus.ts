/**
 * `consensus`: all authorities signed one document, every node holds it, and the rule that more than half of the
 * authorities must have signed is not for show: a minority's consensus and one with forged signatures are refused.
 */

import { RelishError } from '../../core/base/errors.ts'
import { wallMs } from '../../core/base/time.ts'
import { parseAuthorityCertificates, verifyAuthorityCertificate } from '../../core/netdoc/authority-certificate.ts'
import { assembleConsensus, parseConsensus, unsignedTextOf, verifyConsensus, type CertificateLookup, type ConsensusUnverified } from '../../core/netdoc/consensus.ts'
import type { ConsensusInspection } from '../../runtime/events.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { runningNodes } from '../running-nodes.ts'
import type { Check, CheckContext } from './check.ts'
import { timeText } from './circuits.ts'
import { CheckFailure } from './expect.ts'

export const consensus: Check = {
  name: 'consensus',
  summary: 'all authorities signed one consensus, every node holds it, a minority\'s is refused',
  tags: ['smoke', 'directory'],
  besideOthers: true,
  async run(context) {
    const { network, expect } = context
    const authorities = runningNodes(network).filter((node) => node.role === 'authority')
    const held = new Map<string, readonly ConsensusInspection[]>()
    await Promise.all(runningNodes(network).map(async (node) => held.set(node.name, (await network.inspect(node.name)).consensus)))
    const clients = new Set(runningNodes(network).filter((node) => node.role === 'client').map((node) => node.name))
    const evidence: string[] = []
    for (const flavour of ['ns', 'microdesc'] as const) {
      const newest = newestOf([...held.values()].flat(), flavour)
      if (newest === undefined) {
        expect(flavour === 'ns', 'no node holds a microdescriptor consensus')
        continue
      }
      for (const [name, consensuses] of held) {
        const own = newestOf(consensuses, flavour)
        const mustHold = flavour === 'microdesc' || authorities.some((node) => node.name === name)
        if (own === undefined) expect(!mustHold, `${name} holds no ${flavour} consensus`)
        else if (own.validAfter === newest.validAfter) expect.equal(own.digest, newest.digest, `digest of the ${flavour} consensus that ${name} holds`)
        // A client asks for the next one when three quarters of the interval after the fresh one are over (dir-spec §5.1).
        else if (clients.has(name)) expect(own.validUntil >= network.clock.wallNow(), `${name} still holds a ${flavour} consensus of ${timeText(own.validAfter)}, valid until ${timeText(own.validUntil)}`)
        // Between two consensuses some relays still have the one before; one that is older was missed.
        else expect(own.freshUntil >= newest.validAfter, `${name} still holds a ${flavour} consensus of ${timeText(own.validAfter)}; the newest is of ${timeText(newest.validAfter)}`)
      }
      expect.equal(newest.signers.length, authorities.length, `authorities that signed the ${flavour} consensus of ${timeText(newest.validAfter)}`)
      const missing = relaysMissing(network, newest)
      expect(missing.length === 0, `the consensus does not list ${missing.join(', ')} as Running`)
      const holders = [...held.values()].filter((one) => newestOf(one, flavour)?.digest === newest.digest).length
      evidence.push(`${flavour}: ${newest.digest.slice(0, 16)}… of ${timeText(newest.validAfter)}, method ${newest.method}, ${newest.relays.length} relays, signed by ${newest.signers.length} of ${authorities.length} authorities, held by ${holders} nodes`)
    }
    evidence.push(...(await majorityRule(context, authorities.map((node) => node.name))))
    return evidence
  },
}

const newestOf = (all: readonly ConsensusInspection[], flavour: ConsensusInspection['flavour']): ConsensusInspection | undefined =>
  all.filter((one) => one.flavour === flavour).sort((a, b) => b.validAfter - a.validAfter)[0]


function relaysMissing(network: RunningNetwork, consensus: ConsensusInspection): string[] {
  const running = new Set(consensus.relays.filter((relay) => relay.flags.includes('Running')).map((relay) => relay.nickname))
  return runningNodes(network).filter((node) => node.role !== 'client' && !running.has(node.name)).map((node) => node.name)
}

/** The network's own consensus with fewer, or with forged, signatures, given to the verifier that clients use. */
async function majorityRule({ network, expect }: CheckContext, authorities: readonly string[]): Promise<string[]> {
  // C tor gives its documents too, but our own are asked first: they are what this check is about.
  const source = authorities.find((name) => network.nodes().some((node) => node.name === name && node.implementation === 'relish')) ?? authorities[0]
  if (source === undefined) return []
  const document = async (name: string): Promise<string> => String(await network.command(source, { command: 'document', name }))
  const [text, certificateText] = await Promise.all([document('consensus-microdesc'), document('certificates')])
  const certificates = parseAuthorityCertificates(certificateText).map((one) => verifyAuthorityCertificate(one))
  const whole = parseConsensus(text)
  const trusted = new Set(certificates.map((one) => one.identityFingerprint))
  expect.equal(trusted.size, authorities.length, `certificates that ${source} holds`)
  const certificateOf: CertificateLookup = (identity, signing) => certificates.find((one) => one.identityFingerprint === identity && one.signingKeyFingerprint === signing)
  const verify = (candidate: ConsensusUnverified): void => void verifyConsensus(candidate, trusted, certificateOf, wallMs(network.clock.wallNow()))

  verify(whole)
  const required = Math.floor(trusted.size / 2) + 1
  const unsigned = unsignedTextOf(whole)
  const minority = whole.signatures.slice(0, required - 1)
  const few = refusalOf(() => verify(parseConsensus(assembleConsensus(unsigned, minority))), `a consensus with ${minority.length} of ${trusted.size} signatures was accepted`)
  const forged = whole.signatures.map((one, index) => (index < required - 1 ? one : { ...one, signature: one.signature.map((byte) => byte ^ 1) }))
  const bad = refusalOf(() => verify(parseConsensus(assembleConsensus(unsigned, forged))), `a consensus with ${forged.length - minority.length} forged signatures was accepted`)
  const altered = unsigned.replace(/^valid-until .*$/m, 'valid-until 2099-01-01 00:00:00')
  const changed = refusalOf(() => verify(parseConsensus(assembleConsensus(altered, whole.signatures))), 'a consensus that was changed after signing was accepted')
  return [
    `with all ${whole.signatures.length} signatures it verifies (${required} needed); with ${minority.length}: refused, "${few.message}"`,
    `with ${forged.length - minority.length} of ${forged.length} signatures forged: refused, "${bad.message}"`,
    `with another valid-until under the same signatures: refused, "${changed.message}"`,
  ]
}

function refusalOf(action: () => void, words: string): RelishError {
  try {
    action()
  } catch (error) {
    if (error instanceof RelishError && error.kind === 'bad-signature') return error
    throw error
  }
  throw new CheckFailure(words)
}
