/** Checks that concern several options at once. Those of one option are in its kind. The rules are C tor's (config.c and its like). */

import { isIpv4 } from '../ident/address.ts'
import { isNickname } from '../ident/fingerprint.ts'
import type { RelishError } from '../base/errors.ts'
import { configError, type ConfigLine } from './config-line.ts'
import { optionNames, optionTable, type OptionName, type TorOptions } from './option-table.ts'
import type { OptionSpec } from './option-spec.ts'

/** Throws `config`; answers with warnings. */
export function validateOptions(options: TorOptions, assigned: ReadonlyMap<OptionName, readonly ConfigLine[]>): string[] {
  const checker = new Checker(assigned)
  checker.refuseIf(options.Log.some((line) => line.target.kind === 'syslog'), ['Log'], 'Log: there is no syslog here', 'log to a file, stdout or stderr')
  checkTesting(options, checker)
  checkRelay(options, checker)
  checkClient(options, checker)
  checkAuthority(options, checker)
  checkControl(options, checker)
  checkServices(options, checker)
  return checker.warnings
}

/** Whether these options make the node a relay (bridges and authorities included). */
export const isRelay = (options: TorOptions): boolean => !options.ClientOnly && options.ORPort.some((port) => !port.noListen)
export const isAuthority = (options: TorOptions): boolean => options.AuthoritativeDirectory

class Checker {
  readonly warnings: string[] = []
  readonly #assigned: ReadonlyMap<OptionName, readonly ConfigLine[]>

  constructor(assigned: ReadonlyMap<OptionName, readonly ConfigLine[]>) {
    this.#assigned = assigned
  }

  isSet(name: OptionName): boolean {
    return this.#assigned.has(name)
  }

  /** Throws when `wrong`; blames the line of the first of `names` that was set. */
  refuseIf(wrong: boolean, names: readonly OptionName[], message: string, hint?: string): void {
    if (wrong) throw this.#error(names, message, hint)
  }

  warnIf(odd: boolean, message: string): void {
    if (odd) this.warnings.push(message)
  }

  #error(names: readonly OptionName[], message: string, hint: string | undefined): RelishError {
    const line = names.flatMap((name) => this.#assigned.get(name) ?? []).at(0)
    return configError(message, line?.position ?? {}, hint)
  }
}

function checkTesting(options: TorOptions, check: Checker): void {
  const hasNetwork = options.DirAuthority.length > 0 || (options.AlternateDirAuthority.length > 0 && options.AlternateBridgeAuthority.length > 0)
  check.refuseIf(
    options.TestingTorNetwork && !hasNetwork,
    ['TestingTorNetwork'],
    'TestingTorNetwork needs DirAuthority lines: a test network has authorities of its own',
  )
  if (options.TestingTorNetwork) return
  for (const name of optionNames) {
    const spec = optionTable[name] as OptionSpec<unknown>
    if (!spec.testingOnly || !check.isSet(name)) continue
    const standard = spec.default === undefined ? spec.kind.unset : spec.kind.read([{ keyword: name, value: spec.default, command: 'replace', position: {} }])
    check.refuseIf(JSON.stringify(options[name]) !== JSON.stringify(standard), [name], `${name} may only be changed in a test network`, 'set TestingTorNetwork 1')
  }
}

function checkRelay(options: TorOptions, check: Checker): void {
  const relay = isRelay(options)
  check.refuseIf(
    options.Nickname !== undefined && !isNickname(options.Nickname),
    ['Nickname'],
    `Nickname has 1 to 19 letters and digits, not "${options.Nickname ?? ''}"`,
  )
  check.refuseIf(options.BridgeRelay && options.ORPort.length === 0, ['BridgeRelay'], 'BridgeRelay needs an ORPort')
  check.refuseIf(options.BridgeRelay && options.DirPort.length > 0, ['DirPort', 'BridgeRelay'], 'a bridge has no DirPort')
  check.refuseIf(
    options.AssumeReachable && options.AssumeReachableIPv6 === false,
    ['AssumeReachableIPv6'],
    'AssumeReachable 1 contradicts AssumeReachableIPv6 0',
  )
  check.refuseIf(options.BandwidthRate > options.BandwidthBurst, ['BandwidthRate', 'BandwidthBurst'], 'BandwidthBurst is at least BandwidthRate')
  const relayRate = options.RelayBandwidthRate
  const relayBurst = options.RelayBandwidthBurst
  check.refuseIf(relayRate > relayBurst, ['RelayBandwidthBurst', 'RelayBandwidthRate'], 'RelayBandwidthBurst is at least RelayBandwidthRate')
  if (relay) {
    const least = options.BridgeRelay ? leastBridgeRate : leastRelayRate
    check.refuseIf(options.BandwidthRate < least, ['BandwidthRate'], `BandwidthRate is at least ${least} bytes a second for a relay`)
    check.refuseIf(options.MaxAdvertisedBandwidth < least / 2, ['MaxAdvertisedBandwidth'], `MaxAdvertisedBandwidth is at least ${least / 2} bytes a second for a relay`)
    check.refuseIf(relayRate > 0 && relayRate < least, ['RelayBandwidthRate'], `RelayBandwidthRate is at least ${least} bytes a second for a relay`)
    check.refuseIf(options.ConnectionPadding !== 'auto', ['ConnectionPadding'], 'a relay leaves ConnectionPadding at auto')
    check.refuseIf(options.ReducedConnectionPadding, ['ReducedConnectionPadding'], 'a relay does not reduce connection padding')
    check.refuseIf(!options.CircuitPadding, ['CircuitPadding'], 'a relay does not turn circuit padding off')
    check.refuseIf(options.ReducedCircuitPadding, ['ReducedCircuitPadding'], 'a relay does not reduce circuit padding')
  }
  checkServerPorts(options, check)
  const publish = options.PublishServerDescriptor.map((word) => word.toLowerCase())
  const odd = publish.find((word) => !['0', '1', 'v3', 'bridge', ''].includes(word))
  check.refuseIf(odd !== undefined, ['PublishServerDescriptor'], `PublishServerDescriptor knows 0, 1, v3 and bridge, not "${odd ?? ''}"`)
  check.refuseIf(publish.includes('0') && publish.length > 1, ['PublishServerDescriptor'], 'PublishServerDescriptor 0 stands alone')
  check.refuseIf(
    options.TokenBucketRefillInterval <= 0 || options.TokenBucketRefillInterval > 1000,
    ['TokenBucketRefillInterval'],
    'TokenBucketRefillInterval is between 1 and 1000 milliseconds',
  )
  check.warnIf(
    options.ORPort.length === 0 && options.DirPort.length > 0,
    'DirPort without ORPort: the directory port is of no use to a client',
  )
}

/** Bytes a second; C tor's relay_config.c. */
const leastRelayRate = 75 * 1024
const leastBridgeRate = 50 * 1024

function checkServerPorts(options: TorOptions, check: Checker): void {
  for (const name of ['ORPort', 'DirPort'] as const) {
    const advertised = options[name].filter((port) => !port.noAdvertise)
    const bound = options[name].filter((port) => !port.noListen)
    check.refuseIf(advertised.length > 0 && bound.length === 0, [name], `${name} is advertised but nobody listens`)
    check.warnIf(name === 'ORPort' && bound.length > 0 && advertised.length === 0, 'no ORPort is advertised: nobody will find this relay')
  }
  const advertisedIpv4 = options.ORPort.some((port) => !port.noAdvertise && port.host !== undefined && isIpv4(port.host))
  check.refuseIf(!advertisedIpv4 && options.ORPort.some((port) => !port.noAdvertise) && !options.BridgeRelay, ['ORPort'], 'a relay needs an ORPort on IPv4')
  const dirPorts = new Set(options.DirPort.filter((port) => !port.noAdvertise).map((port) => port.port))
  check.refuseIf(dirPorts.size > 1, ['DirPort'], 'only one DirPort can be advertised', 'mark the others NoAdvertise')
}

function checkClient(options: TorOptions, check: Checker): void {
  const relay = isRelay(options)
  check.refuseIf(options.UseBridges && relay, ['UseBridges'], 'a relay connects to all relays and cannot use bridges')
  check.refuseIf(!options.ClientUseIPv4 && relay, ['ClientUseIPv4'], 'a relay must be able to connect over IPv4')
  check.refuseIf(options.UseBridges && options.Bridge.length === 0, ['UseBridges'], 'UseBridges needs Bridge lines')
  check.refuseIf(options.UseBridges && !options.EntryNodes.isEmpty, ['EntryNodes', 'UseBridges'], 'UseBridges and EntryNodes exclude each other')
  check.refuseIf(options.UseBridges && !options.UseEntryGuards, ['UseEntryGuards', 'UseBridges'], 'UseBridges needs UseEntryGuards 1')
  check.refuseIf(!options.EntryNodes.isEmpty && !options.UseEntryGuards, ['EntryNodes'], 'EntryNodes needs UseEntryGuards 1')
  check.refuseIf(options.FetchDirInfoExtraEarly && !options.FetchDirInfoEarly, ['FetchDirInfoExtraEarly'], 'FetchDirInfoExtraEarly needs FetchDirInfoEarly 1')
  check.refuseIf(
    options.MaxClientCircuitsPending < 1 || options.MaxClientCircuitsPending > 1024,
    ['MaxClientCircuitsPending'],
    'MaxClientCircuitsPending is between 1 and 1024',
  )
  check.refuseIf(options.ConnLimit < 1, ['ConnLimit'], 'ConnLimit is at least 1')
  check.refuseIf(options.CircuitsAvailableTimeout > 86_400_000, ['CircuitsAvailableTimeout'], 'CircuitsAvailableTimeout is at most 24 hours')
  const paths = options.PathsNeededToBuildCircuits
  check.warnIf(paths >= 0 && (paths < 0.25 || paths > 0.95), 'PathsNeededToBuildCircuits is kept between 0.25 and 0.95')
  check.warnIf(!options.ExcludeNodes.isEmpty && options.StrictNodes, 'with StrictNodes, ExcludeNodes may make onion services and other functions fail')
  const idle =
    options.SocksPort.length + options.ORPort.length + options.DirPort.length + options.ControlPort.length + options.ControlSocket.length === 0
  check.warnIf(idle && options.HiddenServiceOptions.length === 0, 'no SocksPort, no ORPort and no onion service: the node has nothing to do')
}

function checkAuthority(options: TorOptions, check: Checker): void {
  if (!options.AuthoritativeDirectory) {
    check.refuseIf(options.V3AuthoritativeDirectory, ['V3AuthoritativeDirectory'], 'V3AuthoritativeDirectory needs AuthoritativeDirectory 1')
    check.refuseIf(options.BridgeAuthoritativeDir, ['BridgeAuthoritativeDir'], 'BridgeAuthoritativeDir needs AuthoritativeDirectory 1')
    return
  }
  check.refuseIf(options.ClientOnly, ['ClientOnly'], 'an authority cannot be ClientOnly')
  check.refuseIf(options.ContactInfo === undefined && !options.TestingTorNetwork, ['AuthoritativeDirectory'], 'an authority needs ContactInfo')
  check.refuseIf(!options.V3AuthoritativeDirectory && !options.BridgeAuthoritativeDir, ['AuthoritativeDirectory'], 'AuthoritativeDirectory needs V3AuthoritativeDirectory 1 or BridgeAuthoritativeDir 1')
  check.refuseIf(options.DirPort.length === 0, ['AuthoritativeDirectory'], 'an authority needs a DirPort')
  check.refuseIf(options.ORPort.length === 0, ['AuthoritativeDirectory'], 'an authority needs an ORPort')
  const share = options.AuthDirVoteGuardBwThresholdFraction
  check.refuseIf(share < 0 || share > 1, ['AuthDirVoteGuardBwThresholdFraction'], 'AuthDirVoteGuardBwThresholdFraction is between 0 and 1')
  checkSchedule(options, check)
}

/** The least values are those of C tor's dirvote.h: two seconds to vote and two to distribute, in any network. */
function checkSchedule(options: TorOptions, check: Checker): void {
  for (const name of ['V3AuthVoteDelay', 'V3AuthDistDelay', 'TestingV3AuthInitialVoteDelay', 'TestingV3AuthInitialDistDelay'] as const) {
    check.refuseIf(options[name] < 2000, [name], `${name} is at least 2 seconds`)
  }
  const { V3AuthVotingInterval: interval, V3AuthVoteDelay: vote, V3AuthDistDelay: dist } = options
  const intervalNames = ['V3AuthVotingInterval', 'V3AuthVoteDelay', 'V3AuthDistDelay'] as const
  // Whole seconds, halves rounded down, as C tor computes it.
  const half = Math.floor(interval / 2000) * 1000
  check.refuseIf(vote + dist >= half, intervalNames, 'V3AuthVoteDelay and V3AuthDistDelay together are less than half of V3AuthVotingInterval')
  check.refuseIf(interval < 300_000 && !options.TestingTorNetwork, ['V3AuthVotingInterval'], 'V3AuthVotingInterval is at least 5 minutes')
  check.refuseIf(interval > 86_400_000, ['V3AuthVotingInterval'], 'V3AuthVotingInterval is at most a day')
  check.refuseIf(options.V3AuthNIntervalsValid < 2, ['V3AuthNIntervalsValid'], 'V3AuthNIntervalsValid is at least 2')
  const { TestingV3AuthInitialVotingInterval: first, TestingV3AuthInitialVoteDelay: firstVote, TestingV3AuthInitialDistDelay: firstDist } = options
  const firstNames = ['TestingV3AuthInitialVotingInterval', 'TestingV3AuthInitialVoteDelay', 'TestingV3AuthInitialDistDelay'] as const
  check.refuseIf(first < 5000, firstNames, 'TestingV3AuthInitialVotingInterval is at least 5 seconds')
  check.refuseIf(1_800_000 % first !== 0, firstNames, 'TestingV3AuthInitialVotingInterval divides 30 minutes evenly')
  check.refuseIf(firstVote + firstDist >= first, firstNames, 'the initial vote and distribution delays together are less than the initial voting interval')
  check.refuseIf(options.TestingV3AuthVotingStartOffset > Math.min(first, interval), ['TestingV3AuthVotingStartOffset'], 'TestingV3AuthVotingStartOffset is at most a voting interval')
  check.warnIf(86_400_000 % interval !== 0, 'V3AuthVotingInterval does not divide a day evenly; consensuses will not come at the same times every day')
}

function checkControl(options: TorOptions, check: Checker): void {
  check.refuseIf(options.ControlSocketsGroupWritable && options.ControlSocket.length === 0, ['ControlSocketsGroupWritable'], 'ControlSocketsGroupWritable needs a ControlSocket')
  const open = options.ControlPort.some((port) => port.unixPath === undefined)
  const guarded = options.CookieAuthentication || options.HashedControlPassword.length > 0 || options.__HashedControlSessionPassword.length > 0
  check.warnIf(open && !guarded, 'ControlPort is open without authentication: any program on this machine can control the node')
  check.warnIf(options.CookieAuthFileGroupReadable && options.CookieAuthFile === undefined, 'CookieAuthFileGroupReadable has no effect without CookieAuthFile')
}

function checkServices(options: TorOptions, check: Checker): void {
  check.refuseIf(options.HiddenServiceSingleHopMode !== options.HiddenServiceNonAnonymousMode, ['HiddenServiceSingleHopMode', 'HiddenServiceNonAnonymousMode'], 'HiddenServiceSingleHopMode and HiddenServiceNonAnonymousMode go together')
  check.refuseIf(options.HiddenServiceSingleHopMode && options.SocksPort.length > 0, ['HiddenServiceSingleHopMode'], 'HiddenServiceSingleHopMode needs SocksPort 0')
  const folders = new Set<string>()
  for (const service of options.HiddenServiceOptions) {
    const folder = service.HiddenServiceDir ?? ''
    check.refuseIf(folders.has(folder), [], `two onion services in one folder, ${folder}`)
    folders.add(folder)
    check.refuseIf(service.HiddenServicePort.length === 0, [], `onion service ${folder} has no HiddenServicePort`)
    check.refuseIf(service.HiddenServiceNumIntroductionPoints > 20, [], `onion service ${folder}: at most 20 introduction points`)
    check.refuseIf(service.HiddenServiceMaxStreams > 65535, [], `onion service ${folder}: HiddenServiceMaxStreams is at most 65535`)
  }
}
