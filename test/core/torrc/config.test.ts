import { describe, expect, test } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { parseConfigText } from '../../../src/core/torrc/config-line.ts'
import { buildConfig, changeConfig, defaultOptions, describeConfigError, readHiddenServices, type TorConfig } from '../../../src/core/torrc/config.ts'
import { checkReload, diffConfig } from '../../../src/core/torrc/reload.ts'

const authority = 'DirAuthority a1 orport=9001 v3ident=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA 127.0.0.1:9030 BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n'
const testing = `TestingTorNetwork 1\n${authority}`
const config = (...layers: string[]): TorConfig => buildConfig(layers.map((text) => parseConfigText(text, 'torrc')))

/** How a bad torrc is told to its author. */
function complaint(text: string): string {
  try {
    config(text)
  } catch (thrown) {
    if (thrown instanceof RelishError && thrown.kind === 'config') return describeConfigError(thrown)
    throw thrown
  }
  throw new Error('was accepted')
}

describe('layers', () => {
  test('a later file replaces lists and scalars of an earlier one', () => {
    const { options } = config('ExitPolicy accept *:80\nNickname one', 'ExitPolicy reject *:*\nExitPolicy accept *:1\nNickname two')
    expect(options.ExitPolicy).toEqual(['reject *:*', 'accept *:1'])
    expect(options.Nickname).toBe('two')
  })

  test('+ appends, / clears', () => {
    expect(config('ExitPolicy accept *:80', '+ExitPolicy reject *:*').options.ExitPolicy).toEqual(['accept *:80', 'reject *:*'])
    expect(config('ExitPolicy accept *:80', '/ExitPolicy').options.ExitPolicy).toEqual([])
  })

  test('an empty value of a scalar is nothing, not the default', () => {
    expect(config('ServerDNSTestAddresses').options.ServerDNSTestAddresses).toEqual([])
    expect(config('UseEntryGuards ""').options.UseEntryGuards).toBe(false)
  })

  test('SETCONF replaces what an option had', () => {
    const base = config('Log notice stdout\nLog debug stderr\nSocksPort 9150')
    const changed = changeConfig(base, parseConfigText('Log warn stdout'))
    expect(changed.options.Log).toHaveLength(1)
    expect(changed.options.SocksPort[0]?.port).toBe(9150)
    expect(base.options.Log).toHaveLength(2)
  })
})

describe('defaults under TestingTorNetwork', () => {
  // tor(1), "TestingTorNetwork"; milliseconds.
  test.each([
    ['DirAllowPrivateAddresses', true],
    ['EnforceDistinctSubnets', false],
    ['AuthDirMaxServersPerAddr', 0],
    ['ClientBootstrapConsensusAuthorityDownloadInitialDelay', 0],
    ['ClientDNSRejectInternalAddresses', false],
    ['ClientRejectInternalAddresses', false],
    ['CountPrivateBandwidth', true],
    ['ExitPolicyRejectPrivate', false],
    ['ExtendAllowPrivateAddresses', true],
    ['V3AuthVotingInterval', 300_000],
    ['V3AuthVoteDelay', 20_000],
    ['V3AuthDistDelay', 20_000],
    ['TestingV3AuthInitialVotingInterval', 150_000],
    ['TestingV3AuthInitialVoteDelay', 20_000],
    ['TestingV3AuthInitialDistDelay', 20_000],
    ['TestingAuthDirTimeToLearnReachability', 0],
    ['MinUptimeHidServDirectoryV2', 0],
    ['TestingMinTimeToReportBandwidth', 0],
    ['TestingBridgeDownloadInitialDelay', 10_000],
    ['TestingClientMaxIntervalWithoutRequest', 5000],
    ['TestingDirConnectionMaxStall', 30_000],
    ['TestingEnableConnBwEvent', true],
    ['TestingEnableCellStatsEvent', true],
  ] as const)('%s', (name, value) => {
    expect(defaultOptions(true)[name]).toBe(value)
    expect(defaultOptions(false)[name]).not.toBe(value)
  })

  test('hold wherever the switch stands', () => {
    expect(config(`V3AuthVoteDelay 10 seconds\n${authority}`, 'TestingTorNetwork 1').options.V3AuthVotingInterval).toBe(300_000)
  })
})

describe('typed values', () => {
  test('DirAuthority', () => {
    const [line] = config(`DirAuthority a1 orport=9001 no-v2 v3ident=${'A'.repeat(40)} ipv6=[::1]:9002 upload=http://127.0.0.2:80/ 127.0.0.1:9030 BBBB BBBB ${'B'.repeat(32)}`).options.DirAuthority
    expect(line).toMatchObject({
      nickname: 'a1',
      dirAddress: { host: '127.0.0.1', port: 9030 },
      orPort: 9001,
      ipv6OrAddress: { host: '::1', port: 9002 },
      uploadAddress: { host: '127.0.0.2', port: 80 },
      rsaIdentity: new Uint8Array(20).fill(0xbb),
      v3Identity: new Uint8Array(20).fill(0xaa),
    })
  })

  test('an ORPort without address listens on both families, unless one is named', () => {
    const hosts = (text: string): (string | undefined)[] => config(text).options.ORPort.map((port) => port.host)
    expect(hosts('ORPort 9001')).toEqual(['0.0.0.0', '::'])
    expect(hosts('ORPort 9001 IPv4Only')).toEqual(['0.0.0.0'])
    expect(hosts('ORPort 127.1.0.1:9001 IPv4Only')).toEqual(['127.1.0.1'])
    expect(hosts('ORPort 127.1.0.1:9001\nORPort [::1]:9001')).toEqual(['127.1.0.1', '::1'])
    expect(hosts('ORPort 9001\nORPort 127.1.0.1:9001')).toEqual(['::', '127.1.0.1'])
    expect(hosts('ORPort 0')).toEqual([])
    expect(hosts('ORPort 9001\nClientOnly 1')).toEqual([])
  })

  test('ports: auto, flags, Unix sockets', () => {
    expect(config('SocksPort auto').options.SocksPort[0]).toMatchObject({ auto: true, port: 0, host: '127.0.0.1' })
    expect(config('SocksPort 127.0.0.1:auto').options.SocksPort[0]).toMatchObject({ auto: true, hostIsExplicit: true })
    const [flagged] = config('SocksPort 9050 IsolateDestPort IsolateDestAddrs NoIsolateSOCKSAuth SessionGroup=7 NoIPv6Traffic ExtendedErrors').options.SocksPort
    expect(flagged?.streams).toMatchObject({
      isolation: { destPort: true, destAddr: true, socksAuth: false, clientAddr: true, sessionGroup: 7 },
      ipv6Traffic: false,
      extendedErrors: true,
      preferSocksNoAuth: true,
    })
    expect(config('ControlPort unix:"/tmp/a b" WorldWritable').options.ControlPort[0]).toMatchObject({ unixPath: '/tmp/a b', worldWritable: true })
    expect(config('ControlSocket /tmp/c GroupWritable').options.ControlSocket).toEqual([{ path: '/tmp/c', groupWritable: true, worldWritable: false }])
    expect(config('ORPort 127.0.0.1:1 NoAdvertise\nORPort 10.0.0.1:2 NoListen').options.ORPort.map((port) => [port.noAdvertise, port.noListen])).toEqual([[true, false], [false, true]])
  })

  test('onion services are grouped by folder', () => {
    const services = readHiddenServices(parseConfigText('HiddenServiceDir /a\nHiddenServicePort 80 127.0.0.1:8080\nHiddenServicePort 443\nHiddenServiceDir /b\nHiddenServicePort 22 unix:/s'))
    expect(services.map((service) => service.HiddenServiceDir)).toEqual(['/a', '/b'])
    expect(services[0]?.HiddenServicePort).toEqual([
      { virtualPort: 80, target: { kind: 'tcp', host: '127.0.0.1', port: 8080 } },
      { virtualPort: 443, target: { kind: 'tcp', host: '127.0.0.1', port: 443 } },
    ])
    expect(services[1]?.HiddenServicePort[0]?.target).toEqual({ kind: 'unix', path: '/s' })
    expect(() => readHiddenServices(parseConfigText('HiddenServicePort 80'))).toThrow('without a HiddenServiceDir before it')
  })

  test('what follows from other options', () => {
    const relay = config('ORPort 9001\nRelayBandwidthRate 2 GB').options
    expect(relay.RelayBandwidthBurst).toBe(2 ** 31)
    expect(relay.BandwidthRate).toBe(2 ** 31)
    expect(relay.Nickname).toBe('Unnamed')
    expect(config(`${testing}AuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\nORPort 9001\nDirPort 9030`).options.UseEntryGuards).toBe(false)
  })
})

describe('complaints name the place and what was expected', () => {
  test.each([
    ['Nickname ok\nORPrt 9001', 'torrc:2: unknown option "ORPrt" (did you mean ORPort?)'],
    ['ORPort 70000', 'torrc:1: ORPort: ports go up to 65535, not 70000'],
    ['ORPort example.com:80', 'torrc:1: ORPort: cannot read "example.com:80" as [address:]port (addresses are numeric; IPv6 ones stand in brackets, as in [::1]:9001)'],
    ['ORPort 9001 NoAdvertize', 'torrc:1: unknown ORPort flag "NoAdvertize"'],
    ['ORPort 9001 NoListen NoAdvertise', 'torrc:1: ORPort: NoListen and NoAdvertise together leave nothing'],
    ['ORPort 9001 NoListen', 'torrc:1: ORPort is advertised but nobody listens'],
    ['SocksPort 9050 NoIPv4Traffic NoIPv6Traffic NoOnionTraffic', 'torrc:1: SocksPort: IPv4, IPv6 and onion-service traffic are all refused'],
    ['UseBridges yes', 'torrc:1: UseBridges: expected 0 or 1, not "yes"'],
    ['NumEntryGuards -1', 'torrc:1: NumEntryGuards: expected a whole number of at least 0, not "-1"'],
    ['BandwidthRate 5 parsecs', 'torrc:1: BandwidthRate: expected an amount such as "512 KB", "10 MBits" or "1 GB", not "5 parsecs"'],
    ['NewCircuitPeriod 10 msec', 'torrc:1: NewCircuitPeriod: expected a time such as "30 seconds", "10 minutes" or "2 days", not "10 msec"'],
    ['ContactInfo "a', 'torrc:1: quoted value without its closing quote'],
    ['ContactInfo "a" b', 'torrc:1: text after a quoted value (put the whole value inside the quotes)'],
    ['ExitPolicy acept *:80', 'torrc:1: ExitPolicy: a rule begins with accept or reject, not "acept *:80" (did you mean accept?)'],
    ['ExcludeNodes a-b', 'torrc:1: ExcludeNodes: "a-b" names no relay (members are fingerprints, nicknames, {cc} country codes and address patterns such as 10.0.0.0/8)'],
    ['Log noise stdout', 'torrc:1: Log: unknown level in "noise" (levels are debug, info, notice, warn, err)'],
    ['Log [circs]debug stdout', 'torrc:1: Log: unknown domain "circs" (did you mean circ?)'],
    ['Nickname two words', 'torrc:1: Nickname has 1 to 19 letters and digits, not "two words"'],
    ['DirAuthority a1 127.0.0.1 AAAA', 'torrc:1: DirAuthority: an IPv4 address with a directory port is missing (the form is: [nickname] [orport=PORT] [v3ident=FINGERPRINT] [flags] ADDRESS:DIRPORT FINGERPRINT)'],
    ['TransPort 9040', 'torrc:1: TransPort is not supported by this program: there is no transparent proxy (only its default is accepted)'],
    ['TestingV3AuthInitialVotingInterval 10 seconds', 'torrc:1: TestingV3AuthInitialVotingInterval may only be changed in a test network (set TestingTorNetwork 1)'],
    ['TestingTorNetwork 1', 'torrc:1: TestingTorNetwork needs DirAuthority lines: a test network has authorities of its own'],
    ['HiddenServiceDir /hs', 'torrc:1: HiddenServiceDir is not supported by this program: this program does not run or visit onion services yet (only its default is accepted)'],
    ['HashedControlPassword secret', 'torrc:1: HashedControlPassword: expected 16: and 58 hexadecimal digits (make one with: relish-tor --hash-password PASSWORD)'],
    ['BridgeRelay 1', 'torrc:1: BridgeRelay needs an ORPort'],
    ['ConsensusParams a', 'torrc:1: ConsensusParams: expected NAME=NUMBER, not "a"'],
  ])('%j', (text, words) => {
    expect(complaint(text)).toBe(words)
  })

  test('the voting schedule of C tor', () => {
    const with_ = (text: string): string => `${testing}AuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\nORPort 9001\nDirPort 9030\n${text}`
    expect(() => config(with_('V3AuthVotingInterval 10 seconds\nV3AuthVoteDelay 2 seconds\nV3AuthDistDelay 2 seconds'))).not.toThrow()
    expect(complaint(with_('V3AuthVotingInterval 8 seconds\nV3AuthVoteDelay 2 seconds\nV3AuthDistDelay 2 seconds'))).toContain('less than half')
    expect(complaint(with_('V3AuthVoteDelay 1 second'))).toContain('at least 2 seconds')
    expect(complaint(with_('TestingV3AuthInitialVotingInterval 7 seconds\nTestingV3AuthInitialVoteDelay 2 seconds\nTestingV3AuthInitialDistDelay 2 seconds'))).toContain('divides 30 minutes')
  })
})

describe('warnings', () => {
  test('obsolete options are ignored aloud', () => {
    expect(config('TunnelDirConns 1').warnings).toEqual(['torrc:1: option TunnelDirConns is obsolete and ignored'])
  })

  test('an option that is set twice', () => {
    expect(config('Nickname a\nNickname b').warnings).toEqual(['torrc:2: Nickname is set more than once; the last value counts'])
  })

  test('an open control port', () => {
    expect(config('ControlPort 9051').warnings).toHaveLength(1)
    expect(config('ControlPort 9051\nCookieAuthentication 1').warnings).toEqual([])
  })
})

describe('reload', () => {
  test('the difference is what changes, in values and not in spelling', () => {
    const changes = diffConfig(config('NewCircuitPeriod 60\nLog notice stdout'), config('newcircuitperiod 1 minute\nLog info stdout'))
    expect(changes).toEqual([{ name: 'Log', from: ['notice stdout'], to: ['info stdout'] }])
  })

  test('some options may not change', () => {
    expect(() => checkReload(config('DataDirectory /a'), config('DataDirectory /b'))).toThrow('DataDirectory may not change while the node runs')
    expect(checkReload(config('Nickname a'), config('Nickname b'))).toHaveLength(1)
  })
})
