/**
 * The option table: every option a torrc may hold. Names are C tor's, letter for letter. The types of `TorOptions` are
 * computed from the table, so that an entry is the only place where an option is written down.
 */

import { nearest } from '../base/nearest.ts'
import type { OptionSpec } from './option-spec.ts'
import { authorityOptions } from './options/authority.ts'
import { clientOptions } from './options/client.ts'
import { controlOptions } from './options/control.ts'
import { directoryOptions } from './options/directory.ts'
import { generalOptions } from './options/general.ts'
import { onionNodeOptions, onionServiceOptions } from './options/onion-service.ts'
import { processOptions } from './options/process.ts'
import { relayOptions } from './options/relay.ts'
import { testingOptions } from './options/testing.ts'

/**
 * Without a prototype, and so a dictionary for V8 from the start: as an object like others it takes as many hidden classes as there are
 * options, 2 ms in each process, and to freeze it another 4.
 */
const table = {
  __proto__: null,
  ...testingOptions,
  ...processOptions,
  ...generalOptions,
  ...clientOptions,
  ...relayOptions,
  ...directoryOptions,
  ...authorityOptions,
  ...onionNodeOptions,
  ...controlOptions,
}
export const optionTable: Readonly<Omit<typeof table, '__proto__'>> = table

type ValueOf<Spec> = Spec extends OptionSpec<infer T> ? T : never
type ValuesOf<Table> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> }

/** Options of one onion service. */
export type HiddenServiceOptions = ValuesOf<typeof onionServiceOptions>

/** All options of a node, read and typed, with defaults applied. Keys are C tor's option names. */
export type TorOptions = ValuesOf<typeof optionTable> & {
  /** One element for each HiddenServiceDir line, with the options that follow it. */
  readonly HiddenServiceOptions: readonly HiddenServiceOptions[]
}

export type OptionName = keyof typeof optionTable
export type HiddenServiceOptionName = keyof typeof onionServiceOptions

/** What a keyword of a torrc means. */
export type KeywordMeaning =
  | { readonly kind: 'option'; readonly name: OptionName; readonly spec: OptionSpec<unknown> }
  | { readonly kind: 'hidden-service'; readonly name: HiddenServiceOptionName; readonly spec: OptionSpec<unknown> }
  /** C tor takes it, warns and does nothing. */
  | { readonly kind: 'obsolete'; readonly name: string }
  | { readonly kind: 'unknown'; readonly suggestion: string | undefined }

/** Upper and lower case are the same; aliases are resolved. */
export function lookUpKeyword(written: string): KeywordMeaning {
  const lower = written.toLowerCase()
  const resolved = aliases.get(lower)?.toLowerCase() ?? lower
  const name = canonicalNames.get(resolved)
  if (name !== undefined) return { kind: 'option', name, spec: optionTable[name] as OptionSpec<unknown> }
  const service = canonicalServiceNames.get(resolved)
  if (service !== undefined) return { kind: 'hidden-service', name: service, spec: onionServiceOptions[service] as OptionSpec<unknown> }
  const obsolete = obsoleteNames.get(resolved)
  if (obsolete !== undefined) return { kind: 'obsolete', name: obsolete }
  return { kind: 'unknown', suggestion: nearest(written, [...optionNames, ...Object.keys(onionServiceOptions)]) }
}

export const optionNames: readonly OptionName[] = Object.freeze(Object.keys(optionTable) as OptionName[])
export const hiddenServiceOptionNames: readonly HiddenServiceOptionName[] = Object.freeze(Object.keys(onionServiceOptions) as HiddenServiceOptionName[])
export const hiddenServiceOptionTable = onionServiceOptions

const canonicalNames: ReadonlyMap<string, OptionName> = new Map(optionNames.map((name) => [name.toLowerCase(), name]))
const canonicalServiceNames: ReadonlyMap<string, HiddenServiceOptionName> = new Map(hiddenServiceOptionNames.map((name) => [name.toLowerCase(), name]))

/** Other spellings that C tor takes. */
const aliases: ReadonlyMap<string, string> = new Map(
  Object.entries({
    AutomapHostSuffixes: 'AutomapHostsSuffixes',
    AutomapHostOnResolve: 'AutomapHostsOnResolve',
    BandwidthRateBytes: 'BandwidthRate',
    BandwidthBurstBytes: 'BandwidthBurst',
    DirServer: 'DirAuthority',
    MaxConn: 'ConnLimit',
    MaxMemInCellQueues: 'MaxMemInQueues',
    UseHelperNodes: 'UseEntryGuards',
    NumHelperNodes: 'NumEntryGuards',
    UseEntryNodes: 'UseEntryGuards',
    NumEntryNodes: 'NumEntryGuards',
    ResolvConf: 'ServerDNSResolvConfFile',
    SearchDomains: 'ServerDNSSearchDomains',
    ServerDNSAllowBrokenResolvConf: 'ServerDNSAllowBrokenConfig',
    PreferTunnelledDirConns: 'PreferTunneledDirConns',
    BridgeAuthoritativeDirectory: 'BridgeAuthoritativeDir',
    VirtualAddrNetwork: 'VirtualAddrNetworkIPv4',
    SocksSocketsGroupWritable: 'UnixSocksGroupWritable',
    _HSLayer2Nodes: 'HSLayer2Nodes',
    _HSLayer3Nodes: 'HSLayer3Nodes',
    AllowUnverifiedNodes: 'AllowInvalidNodes',
    EntryNode: 'EntryNodes',
    ExcludeNode: 'ExcludeNodes',
    FirewallPort: 'FirewallPorts',
    LongLivedPort: 'LongLivedPorts',
    NumCPU: 'NumCPUs',
    StrictNode: 'StrictNodes',
    AuthDirBadExitCC: 'AuthDirBadExitCCs',
    AuthDirInvalidCC: 'AuthDirInvalidCCs',
    AuthDirMiddleOnlyCC: 'AuthDirMiddleOnlyCCs',
    AuthDirRejectCC: 'AuthDirRejectCCs',
    AuthDirBadDirCC: 'AuthDirBadDirCCs',
    RecommendedPackage: 'RecommendedPackages',
    StrictEntryNode: 'StrictEntryNodes',
    StrictExitNode: 'StrictExitNodes',
    ORBindAddress: 'ORListenAddress',
    DirBindAddress: 'DirListenAddress',
    SocksBindAddress: 'SocksListenAddress',
    ...downloadSchedules(),
    ...unsavedPorts(),
  }).map(([from, to]) => [from.toLowerCase(), to]),
)

/** The names these options had while they held whole schedules. */
function downloadSchedules(): Record<string, string> {
  const stems = [
    'ClientBootstrapConsensusAuthority', 'ClientBootstrapConsensusAuthorityOnly', 'ClientBootstrapConsensusFallback', 'TestingBridge',
    'TestingBridgeBootstrap', 'TestingClient', 'TestingClientConsensus', 'TestingServer', 'TestingServerConsensus',
  ]
  return Object.fromEntries(stems.map((stem) => [`${stem}DownloadSchedule`, `${stem}DownloadInitialDelay`]))
}

/** Port options that SAVECONF leaves out in C tor; here both forms are one option. */
function unsavedPorts(): Record<string, string> {
  const names = ['ControlPort', 'DirPort', 'DNSPort', 'ExtORPort', 'HTTPTunnelPort', 'MetricsPort', 'NATDPort', 'ORPort', 'SocksPort', 'TransPort']
  return Object.fromEntries(names.map((name) => [`__${name}`, name]))
}

/** Options that C tor accepts with a warning and ignores. */
const obsoleteNames: ReadonlyMap<string, string> = new Map(
  `AllowDotExit AllowInvalidNodes AllowSingleHopCircuits AllowSingleHopExits AlternateHSAuthority AndroidIdentityTag AuthDirBadDir
   AuthDirBadDirCCs AuthDirListBadDirs AuthDirMaxServersPerAuthAddr AuthDirRejectUnlisted CircuitIdleTimeout ClientAutoIPv6ORPort
   ClientBootstrapConsensusAuthorityOnlyMaxDownloadTries ClientBootstrapConsensusMaxDownloadTries
   CloseHSClientCircuitsImmediatelyOnTimeout CloseHSServiceRendCircuitsImmediatelyOnTimeout ControlListenAddress DNSListenAddress
   DirListenAddress DisableIOCP DisableV2DirectoryInfo_ DynamicDHGroups ExcludeSingleHopRelays FallbackNetworkstatusFile
   FastFirstHopPK FetchV2Networkstatus Group HidServAuth HidServDirectoryV2 HiddenServiceAuthorizeClient MaxOnionsPending
   NATDListenAddress NamingAuthoritativeDirectory ORListenAddress OptimisticData PathBiasDisableRate PathBiasMultFactor
   PathBiasScaleFactor PathBiasUseCloseCounts PortForwarding PortForwardingHelper PredictedPortsRelevanceTime
   PreferTunneledDirConns RecommendedPackages RunTesting SchedulerHighWaterMark__ SchedulerLowWaterMark__ SchedulerMaxFlushCells__
   SocksListenAddress StrictEntryNodes StrictExitNodes Support022HiddenServices TLSECGroup TestingCertMaxDownloadTries
   TestingConsensusMaxDownloadTries TestingDescriptorMaxDownloadTries TestingEnableTbEmptyEvent
   TestingEstimatedDescriptorPropagationTime TestingMicrodescMaxDownloadTries Tor2webMode Tor2webRendezvousPoints
   TransListenAddress TunnelDirConns UseEntryGuardsAsDirGuards UseFilteringSSLBufferevents UseNTorHandshake UserspaceIOCPBuffers
   V1AuthoritativeDirectory V2AuthoritativeDirectory VoteOnHidServDirectoriesV2 WarnUnsafeSocks __UseFilteringSSLBufferevents`.split(/\s+/).map((name) => [name.toLowerCase(), name]),
)
