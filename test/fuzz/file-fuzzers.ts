/** Fuzzers of files a user or an earlier run leaves: torrcs, key files, certificates, the state file, network files, templates. */

import { readdirSync, readFileSync } from 'node:fs'
import { deepStrictEqual, strictEqual } from 'node:assert'
import { latin1Decode, utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { wallMs } from '../../src/core/base/time.ts'
import { parseAuthorityIdentityKey } from '../../src/core/cert/authority-keys.ts'
import { parseEd25519Cert } from '../../src/core/cert/ed25519-cert.ts'
import { parseRsaCrossCert, signRsaCrossCert } from '../../src/core/cert/rsa-cross-cert.ts'
import { signX509, verifyIdentityX509 } from '../../src/core/cert/x509.ts'
import { parseX509 } from '../../src/core/crypto/x509.ts'
import { RsaPublicKey } from '../../src/core/crypto/rsa.ts'
import { emitRelayHistories, parseRelayHistories } from '../../src/core/dirvote/relay-history-file.ts'
import { emitSharedRandomState, parseSharedRandomState } from '../../src/core/dirvote/shared-random-state.ts'
import { parseTorVersion } from '../../src/core/dirvote/tor-version.ts'
import { parseGuardLine } from '../../src/core/guard/guard.ts'
import { formatStateFile, parseStateFile } from '../../src/core/guard/state-file.ts'
import { canonicalIp, formatAddressPort, parseAddressPort, parseIp, parsePort } from '../../src/core/ident/address.ts'
import { parseEd25519Identity, parseFingerprint, parseRelayName } from '../../src/core/ident/fingerprint.ts'
import { emitTaggedFile, parseEd25519CertFile, parseEd25519PublicFile, parseEd25519SecretFile, parseNtorKeyFile, parseRsaKeyFile, parseTaggedFile } from '../../src/core/ident/key-files.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { dumpConfig } from '../../src/core/torrc/dump.ts'
import { parseHiddenServicePorts } from '../../src/core/torrc/hidden-service-port.ts'
import { readConfigText } from '../../src/core/torrc/include.ts'
import { parseInterval, parseMemory, parseMillisecondInterval } from '../../src/core/torrc/units.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'
import { documentKinds, type Fuzzer } from './fuzzer.ts'

const keyFile = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../vectors/ctor-keys/${name}`, import.meta.url)))
const relayKey = (name: string): Uint8Array => keyFile(`relay/keys/${name}`)

const files = (name: string, corpus: () => readonly Uint8Array[], run: Fuzzer['run'], more: Partial<Fuzzer> = {}): Fuzzer => ({
  name: `file/${name}`,
  corpus,
  run,
  allowed: documentKinds,
  form: 'bytes',
  inputBytesMax: 8192,
  smokeCases: 300,
  ...more,
})

const certificateBytes = (): Uint8Array => parseEd25519CertFile(relayKey('ed25519_signing_cert'), 'type4')

const keyFuzzers: readonly Fuzzer[] = [
  files('tagged', () => [relayKey('ed25519_signing_secret_key'), relayKey('ed25519_master_id_public_key')], (input) => {
    const file = parseTaggedFile(input)
    // C tor reads a header without a final zero byte and never writes one.
    if (input[31] === 0) deepStrictEqual(emitTaggedFile(file), input)
    return file
  }),
  files('ed25519-secret', () => [relayKey('ed25519_master_id_secret_key')], (input) => parseEd25519SecretFile(input, 'type0').publicKey, { smokeCases: 100 }),
  files('ed25519-public', () => [relayKey('ed25519_master_id_public_key')], (input) => parseEd25519PublicFile(input, 'type0')),
  files('ed25519-certificate', () => [relayKey('ed25519_signing_cert')], (input) => parseEd25519CertFile(input, 'type4')),
  files('ntor-key', () => [relayKey('secret_onion_key_ntor')], (input) => parseNtorKeyFile(input).publicKey),
  files('rsa-key', () => [relayKey('secret_id_key')], (input) => parseRsaKeyFile(input).publicKey.der, { form: 'text' }),
  files('authority-identity-key', () => [keyFile('authority/keys/authority_identity_key')], (input) => parseAuthorityIdentityKey(input, 'password').publicKey.der, { form: 'text', smokeCases: 60 }),
  files('certificate-ed25519', () => [certificateBytes()], (input) => parseEd25519Cert(input)),
  files('certificate-x509', () => [x509Example()], (input) => {
    const found = parseX509(input)
    return verifyIdentityX509(found, wallMs(Date.UTC(2026, 5, 1))).der
  }),
  files('rsa-public-key', () => [parseRsaKeyFile(relayKey('secret_id_key')).publicKey.der], (input) => RsaPublicKey.fromDer(input).bits),
  files('certificate-rsa-cross', () => [signRsaCrossCert(parseRsaKeyFile(relayKey('secret_id_key')), new Uint8Array(32).fill(7), wallMs(Date.UTC(2027, 0, 1))).encoded], (input) => parseRsaCrossCert(input)),
]

function x509Example(): Uint8Array {
  const key = parseRsaKeyFile(relayKey('secret_id_key'))
  return signX509(key, {
    subject: 'www.a.com', issuer: 'www.a.com', publicKeyDer: key.publicKey.keyObject().export({ format: 'der', type: 'spki' }),
    notBefore: wallMs(Date.UTC(2026, 0, 1)), notAfter: wallMs(Date.UTC(2027, 0, 1)), serial: Uint8Array.of(5),
  })
}

const torrcNames = readdirSync(new URL('../../templates/', import.meta.url))
const template = (name: string): string => latin1Decode(readFileSync(new URL(`../../templates/${name}`, import.meta.url)))

const torrcExamples: readonly string[] = [
  'ORPort 127.0.0.1:9001 NoAdvertise\nDirPort auto\nNickname fuzz\nExitPolicy accept *:80, reject *:*\nLog [handshake]debug [~net,~mm]info notice stdout\n',
  'SocksPort 127.0.0.1:9050 IsolateDestAddr NoIPv6Traffic\nUseBridges 0\nMaxCircuitDirtiness 10 minutes\nBandwidthRate 1 MByte\nTestingTorNetwork 1\nDirAuthority a orport=9001 no-v2 v3ident=0123456789ABCDEF0123456789ABCDEF01234567 127.0.0.1:9030 0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567\n',
  'DirAuthority a orport=9001 no-v2 v3ident=0123456789ABCDEF0123456789ABCDEF01234567 127.0.0.1:9030 0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567\n',
  'ContactInfo "quoted \\"text\\" \\x41"  # comment\nMyFamily $0123456789ABCDEF0123456789ABCDEF01234567,other\nMapAddress a.example b.example\n',
  '# comment\n+ORPort 9002\n/ExitPolicy\nDataDirectory /tmp/\\\n  continued\n',
]

const torrcFuzzers: readonly Fuzzer[] = [
  files('torrc', () => torrcExamples.slice(0, 4).map(utf8Encode), (input) => {
    const config = buildConfig([parseConfigText(utf8Decode(input), 'torrc')])
    const dumped = dumpConfig(config, 'short')
    strictEqual(dumpConfig(buildConfig([parseConfigText(dumped, 'dump')]), 'short'), dumped)
    return dumped
  }, { form: 'text', allowed: ['config', 'limit'], smokeCases: 400 }),
  files('torrc-lines', () => [...torrcExamples.map(utf8Encode), ...torrcNames.map((name) => utf8Encode(template(name)))], (input) => parseConfigText(utf8Decode(input), 'torrc'), { form: 'text', allowed: ['config', 'limit'] }),
  files('torrc-include', () => [utf8Encode('%include b\nORPort 1\n%include /d/y*.conf\n')], (input) => {
    const text = utf8Decode(input)
    return readConfigText(text, 'a', { read: (path) => (path === 'b' ? 'Nickname b' : path === '/d/x.conf' ? text : undefined), list: (path) => (path === '/d' ? ['x.conf', '.y.conf', 'sub'] : undefined) })
  }, { form: 'text', allowed: ['config', 'limit'], growthMax: 100_000, inputBytesMax: 400, smokeCases: 200 }),
  files('torrc-hidden-service-ports', () => [utf8Encode('HiddenServicePort 80 127.0.0.1:8080\nHiddenServicePort 22 unix:/tmp/x\nHiddenServicePort 443\n')], (input) =>
    parseHiddenServicePorts(parseConfigText(utf8Decode(input), 'torrc').filter((line) => line.keyword === 'HiddenServicePort')), { form: 'text', allowed: ['config', 'limit'] }),
  files('torrc-units', () => ['10 minutes', '1.5 GBytes', '100 msec', '3 weeks'].map(utf8Encode), (input) => {
    const text = utf8Decode(input)
    return [parseInterval(text), parseMemory(text), parseMillisecondInterval(text)]
  }, { form: 'text', allowed: [] }),
]

const smallTextFuzzers: readonly Fuzzer[] = [
  files('addresses', () => ['127.0.0.1:80', '[2001:db8::1]:443', '::ffff:1.2.3.4', '65535'].map(utf8Encode), (input) => {
    const text = utf8Decode(input)
    const address = parseAddressPort(text)
    if (address !== undefined) deepStrictEqual(parseAddressPort(formatAddressPort(address)), address)
    const ip = canonicalIp(text)
    if (ip !== undefined) strictEqual(canonicalIp(ip), ip)
    return [address, ip, parseIp(text), parsePort(text)]
  }, { form: 'text', allowed: [], smokeCases: 1000 }),
  files('fingerprints', () => ['$0123456789ABCDEF0123456789ABCDEF01234567~nick', '0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'].map(utf8Encode), (input) => {
    const text = utf8Decode(input)
    return [parseFingerprint(text), parseEd25519Identity(text), parseRelayName(text)]
  }, { form: 'text', allowed: [], smokeCases: 600 }),
  files('state', () => [utf8Encode('# Tor state\nGuard in=default rsa_id=0123456789ABCDEF0123456789ABCDEF01234567 nickname=a sampled_on=2026-01-01T00:00:00 sampled_by=0.4.9.11 listed=1 confirmed_on=2026-01-02T00:00:00 confirmed_idx=0 x=y\nTorVersion Tor 0.4.9.11\nLastWritten 2026-01-01 00:00:00\n')], (input) => {
    const lines = parseStateFile(utf8Decode(input))
    const guards = lines.map((line) => parseGuardLine(line.value, wallMs(0), 0))
    const written = formatStateFile(lines, 'v', wallMs(0))
    strictEqual(formatStateFile(parseStateFile(written), 'v', wallMs(0)), written)
    return [lines, guards]
  }, { form: 'text', allowed: [] }),
]

const sharedRandomFuzzer: Fuzzer = files('shared-random-state', () => [utf8Encode(['TorVersion 0.4.9.11', 'ValidAfter 2026-01-01 00:00:00', 'ValidUntil 2026-01-02 00:00:00', `SharedRandCurrentValue 3 ${'A'.repeat(43)}=`, 'Version 1', ''].join('\n'))], (input) => {
  const record = parseSharedRandomState(utf8Decode(input))
  const written = emitSharedRandomState(record, 'v', wallMs(0))
  strictEqual(emitSharedRandomState(parseSharedRandomState(written), 'v', wallMs(0)), written)
  return record
}, { form: 'text' })
const relayHistoriesExample = `format 2
stored-at 2023-11-15 03:13:20
tracked-since 2023-11-14 22:13:20
last-downrated 2023-11-14 22:13:20
data
R 0123456789ABCDEF0123456789ABCDEF01234567
+MTBF 3600 1.50000 S=2023-11-15 01:13:20
+WFU 7200 14400
.
`
const relayHistoriesFuzzer: Fuzzer = files('router-stability', () => [utf8Encode(relayHistoriesExample)], (input) => {
  const nowSec = 1_700_020_000
  const written = emitRelayHistories(parseRelayHistories(utf8Decode(input), nowSec), nowSec)
  strictEqual(emitRelayHistories(parseRelayHistories(written, nowSec), nowSec), written)
  return written
}, { form: 'text' })
const versionFuzzer: Fuzzer = files('tor-version', () => [utf8Encode('0.4.9.11'), utf8Encode('0.4.8.1-alpha-dev (git-0123456789abcdef)')], (input) => parseTorVersion(utf8Decode(input)), { form: 'text', allowed: [] })

const networkExample = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../networks/${name}.yaml`, import.meta.url)))

const networkFuzzer: Fuzzer = files('network', () => ['basic', 'basic-min', 'families'].map(networkExample), (input) => {
  const { network } = loadNetworkText(utf8Decode(input), '/networks/fuzz.yaml', { HOME: '/home/fuzz' })
  return network.nodes.length
}, { form: 'text', allowed: ['config', 'limit'], smokeCases: 120 })

export const fileFuzzers: readonly Fuzzer[] = [...keyFuzzers, ...torrcFuzzers, ...smallTextFuzzers, sharedRandomFuzzer, relayHistoriesFuzzer, versionFuzzer, networkFuzzer]
