/** Checks that concern several options at once. Those of one option are in its kind. The rules are C tor's (config.c and its like). */

import { isNickname } from '../ident/fingerprint.ts'
import type { RelishError } from '../base/errors.ts'
import { configError, type ConfigLine } from './config-line.ts'
import { optionNames, optionTable, type OptionName, type TorOptions } from './option-table.ts'
import type { OptionSpec } from './option-spec.ts'

/** Throws `config`; answers with warnings. */
export function validateOptions(options: TorOptions, assigned: ReadonlyMap<OptionName, readonly ConfigLine[]>): string[] {
  const checker = new Checker(assigned)
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
  check.refuseIf(relayRate > 0 && relayBurst > 0 && relayRate > relayBurst, ['RelayBandwidthRate', 'RelayBandwidthBurst'], 'RelayBandwidthBurst is at least RelayBandwidthRate')
  check.refuseIf(relayBurst > 0 && relayRate === 0, ['RelayBandwidthBurst'], 'RelayBandwidthBurst needs RelayBandwidthRate')
  if (relay) {
    const least = 75 * 1024
    const rates = ['BandwidthRate', 'MaxAdvertisedBandwidth', 'RelayBandwidthRate'] as const
    for (const name of rates) {
      const wrong = options[name] < (name === 'MaxAdvertisedBandwidth' ? least / 2 : least) && !(name === 'RelayBandwidthRate' && relayRate === 0)
      check.refuseIf(wrong, [name], `${name} is at least ${name === 'MaxAdvertisedBandwidth' ? '38400' : '76800'} bytes a second for a relay`)
    }
  }
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
  check.refuseIf(options.UseEntryGuards && check.isSet('UseEntryGuards'), ['UseEntryGuards'], 'authorities do not use entry guards')
  check.refuseIf(options.ContactInfo === undefined && !options.TestingTorNetwork, ['AuthoritativeDirectory'], 'an authority needs ContactInfo')
  check.refuseIf(!options.V3AuthoritativeDirectory && !options.BridgeAuthoritativeDir, ['AuthoritativeDirectory'], 'AuthoritativeDirectory needs V3AuthoritativeDirectory 1 or BridgeAuthoritativeDir 1')
  check.refuseIf(options.DirPort.length === 0, ['AuthoritativeDirectory'], 'an authority needs a DirPort')
  check.refuseIf(options.ORPort.length === 0, ['AuthoritativeDirectory'], 'an authority needs an ORPort')
  const share = options.AuthDirVoteGuardBwThresholdFraction
  check.refuseIf(share < 0 || share > 1, ['AuthDirVoteGuardBwThresholdFraction'], 'AuthDirVoteGuardBwThresholdFraction is between 0 and 1')
  checkSchedule(options, check)
}

/** The least values are those of C tor's dirauth_config.c. */
function checkSchedule(options: TorOptions, check: Checker): void {
  const least = options.TestingTorNetwork ? 2000 : 20_000
  for (const name of ['V3AuthVoteDelay', 'V3AuthDistDelay', 'TestingV3AuthInitialVoteDelay', 'TestingV3AuthInitialDistDelay'] as const) {
    check.refuseIf(options[name] < least, [name], `${name} is at least ${least / 1000} seconds`)
  }
  const { V3AuthVotingInterval: interval, V3AuthVoteDelay: vote, V3AuthDistDelay: dist } = options
  check.refuseIf(vote + dist + 1000 > interval / 2, ['V3AuthVotingInterval', 'V3AuthVoteDelay', 'V3AuthDistDelay'], 'V3AuthVoteDelay and V3AuthDistDelay together are less than half of V3AuthVotingInterval')
  check.refuseIf(interval < (options.TestingTorNetwork ? 10_000 : 300_000), ['V3AuthVotingInterval'], `V3AuthVotingInterval is at least ${options.TestingTorNetwork ? '10 seconds' : '5 minutes'}`)
  check.refuseIf(interval > 86_400_000, ['V3AuthVotingInterval'], 'V3AuthVotingInterval is at most a day')
  check.refuseIf(options.V3AuthNIntervalsValid < 2, ['V3AuthNIntervalsValid'], 'V3AuthNIntervalsValid is at least 2')
  const { TestingV3AuthInitialVotingInterval: first, TestingV3AuthInitialVoteDelay: firstVote, TestingV3AuthInitialDistDelay: firstDist } = options
  check.refuseIf(first < 5000, ['TestingV3AuthInitialVotingInterval'], 'TestingV3AuthInitialVotingInterval is at least 5 seconds')
  check.refuseIf(86_400_000 % first !== 0, ['TestingV3AuthInitialVotingInterval'], 'TestingV3AuthInitialVotingInterval divides a day evenly')
  check.refuseIf(firstVote + firstDist >= first / 2, ['TestingV3AuthInitialVotingInterval', 'TestingV3AuthInitialVoteDelay', 'TestingV3AuthInitialDistDelay'], 'the initial vote and distribution delays together are less than half of the initial voting interval')
  check.refuseIf(options.TestingV3AuthVotingStartOffset > Math.min(first, interval), ['TestingV3AuthVotingStartOffset'], 'TestingV3AuthVotingStartOffset is less than the voting intervals')
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
