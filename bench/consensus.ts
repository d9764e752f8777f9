/**
 * A consensus of made-up relays, of any size, signed by three authorities; and how long a process takes to read and verify
 * it the first time, which is what counts for a node that starts, and again once the code is warm.
 *
 *     node consensus.js make RELAYS FILE
 *     node consensus.js read FILE        → { "coldMs": …, "coldCpuMs": …, "warmMs": …, "bytes": … }
 */

import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { base64EncodeUnpadded, hexEncodeUpper } from '../src/core/base/encoding.ts'
import { randomBelow, SeededRng } from '../src/core/base/rng.ts'
import { days, durationMs, hours, later, wallFromSec } from '../src/core/base/time.ts'
import { RsaPrivateKey } from '../src/core/crypto/rsa.ts'
import { emitAuthorityCertificate, parseAuthorityCertificates, signAuthorityCertificate, verifyAuthorityCertificate } from '../src/core/netdoc/authority-certificate.ts'
import { assembleConsensus, emitUnsignedConsensus, parseConsensus, signConsensus, verifyConsensus } from '../src/core/netdoc/consensus.ts'
import { ProtocolList } from '../src/core/netdoc/protocol-list.ts'
import type { RouterStatus } from '../src/core/netdoc/router-status.ts'

const AUTHORITIES = 3
const WARM_READS = 5
const validAfter = wallFromSec(1_790_000_000)
const flagSets = [
  ['Fast', 'Guard', 'HSDir', 'Running', 'Stable', 'V2Dir', 'Valid'],
  ['Exit', 'Fast', 'Running', 'Valid'],
  ['Exit', 'Fast', 'Guard', 'HSDir', 'Running', 'Stable', 'V2Dir', 'Valid'],
  ['Fast', 'Running', 'Stable', 'V2Dir', 'Valid'],
].map((flags) => new Set(flags))
const protocols = ProtocolList.parse('Conflux=1 Cons=1-2 Desc=1-2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 Link=1-5 LinkAuth=1,3 Microdesc=1-2 Padding=2 Relay=2-4')

const [, , action, first = '', second = ''] = process.argv
if (action === 'make') make(Number(first), second)
else console.log(JSON.stringify(read(first)))

function make(count: number, file: string): void {
  const rng = new SeededRng(`consensus of ${count}`)
  const key = (bits: number): RsaPrivateKey => new RsaPrivateKey(generateKeyPairSync('rsa', { modulusLength: bits }).privateKey)
  const authorities = Array.from({ length: AUTHORITIES }, () => ({ identityKey: key(3072), signingKey: key(2048) }))
  const certificates = authorities.map(({ identityKey, signingKey }) => signAuthorityCertificate({ published: validAfter, expires: later(validAfter, days(30)) }, identityKey, signingKey))
  const sources = certificates
    .map((certificate, i) => ({
      nickname: `auth${i}`, identity: certificate.identityKey.fingerprint(), identityFingerprint: certificate.identityFingerprint,
      hostname: `127.0.0.${i + 1}`, address: `127.0.0.${i + 1}`, dirPort: 80, orPort: 443, contact: 'nobody', voteDigest: rng.bytes(20),
    }))
    .sort((a, b) => (a.identityFingerprint < b.identityFingerprint ? -1 : 1))
  const relays = Array.from({ length: count }, (_, i): RouterStatus => {
    const rsaIdentity = rng.bytes(20)
    return {
      nickname: `relay${i}`, rsaIdentity, fingerprint: hexEncodeUpper(rsaIdentity), microdescriptorDigest: base64EncodeUnpadded(rng.bytes(32)), published: wallFromSec(2_145_916_800),
      address: `10.${i >> 8}.${i & 255}.1`, orPort: 9001, dirPort: 0, orAddresses: i % 2 === 0 ? [] : [{ host: `fc00::${i.toString(16)}`, port: 9001 }],
      flags: flagSets[i % flagSets.length] ?? new Set(), version: `Tor 0.4.9.${1 + (i % 11)}`, protocols, bandwidth: 20 + randomBelow(rng, 100_000), unmeasured: false,
    }
  }).sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
  const unsigned = emitUnsignedConsensus({
    flavour: 'microdesc', consensusMethod: 35, validAfter, freshUntil: later(validAfter, hours(1)), validUntil: later(validAfter, hours(3)), votingDelay: { voteSec: 300, distSec: 300 },
    knownFlags: ['Authority', 'Exit', 'Fast', 'Guard', 'HSDir', 'Running', 'Stable', 'V2Dir', 'Valid'], params: new Map([['cc_alg', 2]]), sources, relays,
    bandwidthWeights: new Map(['Wbd', 'Wbe', 'Wbg', 'Wbm', 'Wdb', 'Web', 'Wed', 'Wee', 'Weg', 'Wem', 'Wgb', 'Wgd', 'Wgg', 'Wgm', 'Wmb', 'Wmd', 'Wme', 'Wmg', 'Wmm'].map((name) => [name, 5000])),
  })
  const signatures = certificates.map((certificate, i) => signConsensus(unsigned, 'microdesc', certificate.identityFingerprint, (authorities[i] as { signingKey: RsaPrivateKey }).signingKey))
  writeFileSync(file, assembleConsensus(unsigned, signatures), 'latin1')
  writeFileSync(`${file}.certs`, certificates.map(emitAuthorityCertificate).join(''), 'latin1')
}

/** `coldCpuMs` is processor time, of the threads that compile and collect as well. */
function read(file: string): { readonly coldMs: number; readonly coldCpuMs: number; readonly warmMs: number; readonly bytes: number } {
  const certificates = new Map(parseAuthorityCertificates(readFileSync(`${file}.certs`, 'latin1')).map((one) => [one.identityFingerprint, verifyAuthorityCertificate(one)]))
  const trusted = new Set(certificates.keys())
  const bytes = readFileSync(file)
  const once = (): number => {
    const start = performance.now()
    const consensus = verifyConsensus(parseConsensus(bytes.toString('latin1')), trusted, (identity) => certificates.get(identity), later(validAfter, durationMs(1000)))
    if (consensus.relays.length === 0) throw new Error('no relays')
    return performance.now() - start
  }
  const before = process.cpuUsage()
  const coldMs = once()
  const { user, system } = process.cpuUsage(before)
  const warm = Array.from({ length: WARM_READS }, once).sort((a, b) => a - b)
  return { coldMs, coldCpuMs: (user + system) / 1000, warmMs: warm[WARM_READS >> 1] ?? 0, bytes: bytes.length }
}
