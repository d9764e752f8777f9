/** python3-stem reads, with validation on, every kind of directory document that we write. Needs Debian's python3-stem. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { hexEncodeUpper } from '../../src/core/base/encoding.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { days, hours, later, seconds, wallMs } from '../../src/core/base/time.ts'
import { CertType, signEd25519Cert } from '../../src/core/cert/ed25519-cert.ts'
import { ed25519Generate } from '../../src/core/crypto/ed25519.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import type { RsaPrivateKey } from '../../src/core/crypto/rsa.ts'
import { x25519Generate } from '../../src/core/crypto/x25519.ts'
import { computeConsensus } from '../../src/core/dirvote/consensus.ts'
import { signAuthorityCertificate, type AuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { emitBandwidthFile, parseBandwidthFile } from '../../src/core/netdoc/bandwidth-file.ts'
import { assembleConsensus, consensusDigests, emitUnsignedConsensus, parseConsensus, signConsensus, verifyConsensus } from '../../src/core/netdoc/consensus.ts'
import { emitDetachedSignatures } from '../../src/core/netdoc/detached-signatures.ts'
import { ExitPolicy } from '../../src/core/netdoc/exit-policy.ts'
import { signExtraInfo, type ExtraInfo } from '../../src/core/netdoc/extra-info.ts'
import { makeMicrodescriptor } from '../../src/core/netdoc/microdescriptor.ts'
import { ProtocolList } from '../../src/core/netdoc/protocol-list.ts'
import { signServerDescriptor } from '../../src/core/netdoc/server-descriptor-emit.ts'
import type { ServerDescriptor } from '../../src/core/netdoc/server-descriptor.ts'
import { signVote, type Vote, type VoteContent } from '../../src/core/netdoc/vote.ts'
import type { NodeCommand } from '../../src/runtime/events.ts'
import { SimulatedNetwork } from '../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../src/testnet/bootstrap.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'
import { voteEverywhere } from '../../src/testnet/membership.ts'
import { isRelay, type ResolvedNetwork } from '../../src/testnet/network-types.ts'
import { packageRoot } from '../../src/testnet/package-root.ts'

interface Found {
  readonly error?: string
  readonly count: number
  readonly unrecognized: readonly string[]
  readonly routers?: readonly string[]
  readonly flags?: readonly string[]
  readonly fingerprints?: readonly string[]
  readonly digests?: readonly string[]
}

function stem(documents: readonly (readonly [kind: string, text: string])[]): Found[] {
  const script = fileURLToPath(new URL('stem-parse.py', import.meta.url))
  return JSON.parse(execFileSync('/usr/bin/python3', [script], { input: JSON.stringify(documents), encoding: 'utf8' })) as Found[]
}

function check(kind: string, text: string): Found {
  const [found] = stem([[kind, text]])
  if (found === undefined || found.error !== undefined) throw new Error(`stem: ${found?.error}\n${text.slice(0, 4000)}`)
  return found
}

const now = wallMs(Date.UTC(2026, 3, 1, 12))
const rng = new SeededRng('stem')
const protocols = ProtocolList.parse('Cons=2 Desc=2 DirCache=2 FlowCtrl=1 HSDir=2 HSIntro=4-5 HSRend=2 Link=4-5 LinkAuth=3 Microdesc=2 Relay=2')

const relays: { descriptor: ServerDescriptor; extraInfo: ExtraInfo }[] = []
const authorities: { certificate: AuthorityCertificate; signingKey: RsaPrivateKey }[] = []
const votes: Vote[] = []

function makeRelay(index: number): { descriptor: ServerDescriptor; extraInfo: ExtraInfo } {
  const draw = rng.derive(`relay ${index}`)
  const master = ed25519Generate(draw)
  const signing = ed25519Generate(draw)
  const keys = {
    rsaIdentity: rsaKeyFromRng(draw, 1024),
    ed25519Identity: master.publicKey,
    ed25519Signing: signing,
    ed25519SigningCertificate: signEd25519Cert(master, { type: CertType.IDENTITY_SIGNING, certifiedKey: signing.publicKey, expires: later(now, days(30)), includeSigningKey: true }).encoded,
    onionKey: rsaKeyFromRng(draw, 1024),
    ntorOnionKey: x25519Generate(draw),
    onionKeyLifetime: days(28),
    familyKeys: index === 1 ? [ed25519Generate(draw)] : [],
  }
  const nickname = `relay${index}`
  const history = { keyword: 'write-history', text: '2026-04-01 11:45:00 (86400 s) 1024,2048' }
  const extraInfo = signExtraInfo({ nickname, published: now, statistics: [history] }, keys)
  const exitPolicy = ExitPolicy.parse(index === 0 ? 'reject private:*,accept *:80,accept *:443,reject *:*' : 'reject *:*')
  const ipv6 = ExitPolicy.parse('accept *6:443,reject *6:*').summary(6)
  const descriptor = signServerDescriptor(
    {
      nickname,
      address: `192.0.2.${index + 1}`,
      orPort: 9001,
      dirPort: index === 2 ? 9030 : 0,
      orAddresses: index === 0 ? [{ host: '2001:db8::1', port: 9001 }] : [],
      platform: 'Tor 0.4.9.11 on Node.js',
      protocols,
      published: now,
      uptimeSec: 12,
      bandwidth: { rate: 1 << 30, burst: 1 << 30, observed: 100_000 },
      extraInfoDigest: { sha1: extraInfo.digest, sha256: extraInfo.digestSha256 },
      cachesExtraInfo: index === 2,
      hibernating: false,
      hiddenServiceDir: true,
      family: index === 1 ? ['relay0', `$${'AB'.repeat(20)}`] : [],
      contact: index === 0 ? 'somebody <mail AT example.net>\nsecond line, with ü and €' : 'x',
      exitPolicy,
      ...(index === 0 ? { ipv6Policy: ipv6 } : {}),
      ...(index === 2 ? { overloadGeneral: { version: 1, at: now } } : {}),
      tunnelledDirServer: true,
    },
    keys,
  )
  return { descriptor, extraInfo }
}

function voteContent(index: number): VoteContent {
  const authority = authorities[index]
  if (authority === undefined) throw new Error('no authority')
  const { identity, identityFingerprint } = authority.certificate
  const flags = new Set(['Exit', 'Fast', 'Guard', 'HSDir', 'Running', 'Stable', 'V2Dir', 'Valid'])
  const entries = relays.map(({ descriptor }) => ({
    nickname: descriptor.nickname,
    rsaIdentity: descriptor.rsaIdentity,
    fingerprint: descriptor.fingerprint,
    descriptorDigest: descriptor.digest,
    published: descriptor.published,
    address: descriptor.address,
    orPort: descriptor.orPort,
    dirPort: descriptor.dirPort,
    orAddresses: descriptor.orAddresses,
    flags,
    version: 'Tor 0.4.9.11',
    protocols,
    bandwidth: 100,
    unmeasured: false,
    measured: 90,
    exitPolicy: descriptor.exitPolicy.summary(4),
    ed25519Identity: descriptor.ed25519Identity,
    microdescriptors: [[32, 33, 34], [35]].map((methods) => ({ methods, digest: makeMicrodescriptor(descriptor, methods[0] ?? 0)?.digestBase64 ?? '' })),
    stats: 'wfu=0.980000 tk=1000 mtbf=2000',
  }))
  return {
    validAfter: now,
    freshUntil: later(now, hours(1)),
    validUntil: later(now, hours(3)),
    votingDelay: { voteSec: 300, distSec: 300 },
    clientVersions: ['0.4.8.12', '0.4.9.11'],
    serverVersions: ['0.4.9.11'],
    knownFlags: [...flags, 'Authority'].sort(),
    recommendedClientProtocols: protocols,
    recommendedRelayProtocols: protocols,
    requiredClientProtocols: ProtocolList.parse('Link=4 Relay=2'),
    requiredRelayProtocols: ProtocolList.parse('Link=4 Relay=2'),
    params: new Map([['bwweightscale', 10000], ['cc_alg', 2]]),
    sharedRandomCurrent: { reveals: 3, value: new Uint8Array(32).fill(7) },
    sharedRandomPrevious: { reveals: 3, value: new Uint8Array(32).fill(6) },
    consensusMethods: [32, 33, 34, 35],
    published: later(now, seconds(-300)),
    flagThresholds: 'stable-uptime=100 stable-mtbf=100 fast-speed=100000 guard-wfu=98.000% guard-tk=100 guard-bw-inc-exits=1 guard-bw-exc-exits=1 enough-mtbf=1 ignoring-advertised-bws=0',
    bandwidthFileHeaders: 'timestamp=1775000000 version=1.4.0',
    bandwidthFileDigest: `sha256=${'A'.repeat(43)}`,
    source: { nickname: `auth${index}`, identity, identityFingerprint, hostname: '192.0.2.100', address: '192.0.2.100', dirPort: 9030, orPort: 9001, contact: 'auth <a AT example.net>' },
    sharedRandomParticipates: true,
    sharedRandomCommits: [{ version: 1, algorithm: 'sha3-256', identityFingerprint, commit: Buffer.alloc(40).toString('base64'), reveal: Buffer.alloc(40).toString('base64') }],
    relays: entries,
  }
}

beforeAll(() => {
  for (let i = 0; i < 3; i++) {
    relays.push(makeRelay(i))
    const signingKey = rsaKeyFromRng(rng.derive(`signing ${i}`), 1024)
    const content = { address: { host: '192.0.2.100', port: 9030 }, published: later(now, days(-1)), expires: later(now, days(90)) }
    authorities.push({ certificate: signAuthorityCertificate(content, rsaKeyFromRng(rng.derive(`authority ${i}`), 2048), signingKey), signingKey })
  }
  relays.sort((a, b) => (a.descriptor.fingerprint < b.descriptor.fingerprint ? -1 : 1))
  authorities.forEach(({ certificate, signingKey }, i) => votes.push(signVote(voteContent(i), certificate, signingKey)))
})

test('server descriptors', () => {
  const found = check('server-descriptor 1.0', relays.map((one) => one.descriptor.text).join(''))
  expect(found.fingerprints).toEqual(relays.map((one) => one.descriptor.fingerprint))
  expect(found.digests).toEqual(relays.map((one) => hexEncodeUpper(one.descriptor.digest)))
  // Newer than this version of stem.
  for (const line of found.unrecognized) expect(line.startsWith('family-cert') || line.startsWith('overload-general')).toBe(true)
})

test('extra-info documents', () => {
  const found = check('extra-info 1.0', relays.map((one) => one.extraInfo.text).join(''))
  expect(found.fingerprints).toEqual(relays.map((one) => one.descriptor.fingerprint))
  expect(found.digests).toEqual(relays.map((one) => hexEncodeUpper(one.extraInfo.digest)))
  expect(found.unrecognized).toEqual([])
})

test('microdescriptors of every method', () => {
  for (const method of [32, 35]) {
    const found = check('microdescriptor 1.0', relays.map((one) => makeMicrodescriptor(one.descriptor, method)?.text).join(''))
    expect(found.count).toBe(3)
    for (const line of found.unrecognized) expect(line).toMatch(/^family-ids ed25519:/)
  }
})

test('authority certificates', () => {
  expect(check('dir-key-certificate-3 1.0', authorities.map((one) => one.certificate.text).join('')).count).toBe(3)
})

test('votes', () => {
  for (const vote of votes) {
    const found = check('network-status-vote-3 1.0', vote.text)
    expect(found.routers).toEqual(relays.map((one) => one.descriptor.fingerprint))
  }
})

test('consensuses in both flavours, and their detached signatures', () => {
  const computed = computeConsensus({ votes, totalAuthorities: 3, sharedRandomEnabled: true, sharedRandomIsFresh: false })
  const trusted = new Set(authorities.map((one) => one.certificate.identityFingerprint))
  const signatures = (['ns', 'microdesc'] as const).flatMap((flavour) => {
    const unsigned = emitUnsignedConsensus(computed[flavour])
    const made = authorities.map((one) => signConsensus(unsigned, flavour, one.certificate.identityFingerprint, one.signingKey))
    const text = assembleConsensus(unsigned, made)
    const verified = verifyConsensus(parseConsensus(text), trusted, (identity) => authorities.find((one) => one.certificate.identityFingerprint === identity)?.certificate, now)
    const found = check(flavour === 'ns' ? 'network-status-consensus-3 1.0' : 'network-status-microdesc-consensus-3 1.0', text)
    expect(found.routers).toEqual(verified.relays.map((relay) => relay.fingerprint))
    expect(found.flags).toContain('Guard')
    return made.map((signature) => ({ ...signature, flavour, digests: consensusDigests(`${unsigned}directory-signature `) }))
  })
  const [ns] = signatures.filter((one) => one.flavour === 'ns')
  const [microdesc] = signatures.filter((one) => one.flavour === 'microdesc')
  if (ns === undefined || microdesc === undefined) throw new Error('no signatures')
  const detached = emitDetachedSignatures({
    consensusDigest: ns.digests.sha1,
    validAfter: now,
    freshUntil: later(now, hours(1)),
    validUntil: later(now, hours(3)),
    additionalDigests: [{ flavour: 'microdesc', algorithm: 'sha256', digest: microdesc.digests.sha256 }],
    signatures,
  })
  expect(check('detached-signature-3 1.0', detached).count).toBe(1)
})

test('bandwidth files', () => {
  const line = (fingerprint: string): string => `bw=100 node_id=$${fingerprint} nick=relay`
  const text = `1775000000\nversion=1.4.0\nsoftware=relish\n=====\n${relays.map((one) => line(one.descriptor.fingerprint)).join('\n')}\n`
  expect(check('bandwidth-file 1.4', emitBandwidthFile(parseBandwidthFile(text))).count).toBe(1)
})

test('everything that the nodes of a running network say of themselves and of each other', async () => {
  // Authorities that do not vote on versions leave an empty `client-versions` line, as C tor's do, which stem refuses.
  const text = readFileSync(join(packageRoot(), 'networks/families.yaml'), 'utf8').replace('name: auth,', "name: auth, torrc: { VersioningAuthoritativeDirectory: 1, RecommendedVersions: '0.4.9.11' },")
  const { network } = loadNetworkText(text, '/nowhere/families.yaml', {})
  const running = await SimulatedNetwork.prepare({ network, seed: 'stem' })
  await running.drive(async () => {
    await startUntilReady(running)
    // Documents of a second period are made from those of the first.
    await voteEverywhere(running)
  })
  const documentsOf = (name: string, kinds: readonly (readonly [type: string, name: DocumentName])[]): Promise<(readonly [string, string])[]> =>
    Promise.all(kinds.map(async ([type, document]) => [type, (await running.command(name, { command: 'document', name: document })) as string] as const))
  const own = [['server-descriptor 1.0', 'descriptor'], ['extra-info 1.0', 'extra-info']] as const
  const agreed = [['network-status-consensus-3 1.0', 'consensus'], ['network-status-microdesc-consensus-3 1.0', 'consensus-microdesc'], ['dir-key-certificate-3 1.0', 'certificates']] as const
  const documents = await running.drive(async () => {
    const relays = await Promise.all(running.nodes().filter(isRelay).map((node) => documentsOf(node.name, own)))
    const [votes] = await documentsOf('auth1', [['network-status-vote-3 1.0', 'votes']])
    const each = (votes?.[1] ?? '').split(/^(?=network-status-version 3 *\n?vote-status)/m)
    return [...relays.flat(), ...(await documentsOf('auth1', agreed)), ...each.map((text) => ['network-status-vote-3 1.0', text] as const)]
  })
  await running.close()
  const found = stem(documents)
  expect(found.flatMap((one, i) => (one.error === undefined ? [] : [`${documents[i]?.[0]}: ${one.error}`]))).toEqual([])
  const votes = found.filter((_, i) => documents[i]?.[0].includes('vote'))
  expect(votes.map((one) => one.routers?.length)).toEqual([relaysOf(network), relaysOf(network), relaysOf(network)])
  // Newer than this version of stem.
  expect(found.flatMap((one) => one.unrecognized).filter((line) => !/^(?:family-cert|overload-general|family-ids)/.test(line))).toEqual([])
})

type DocumentName = Extract<NodeCommand, { command: 'document' }>['name']
const relaysOf = (network: ResolvedNetwork): number => network.nodes.filter(isRelay).length
