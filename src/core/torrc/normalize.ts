/** Options that follow from others: what C tor fills in or bends after reading, so that the rest of the program sees one truth. */

import { durationMs } from '../base/time.ts'
import { isIpv6 } from '../ident/address.ts'
import type { TorOptions } from './option-table.ts'
import type { PortSpec } from './port-spec.ts'

const leastDirtinessMs = 10_000
const mostDirtinessMs = 30 * 86_400_000

export function normalizeOptions(read: TorOptions): TorOptions {
  const options = read
  const relayRate = options.RelayBandwidthRate > 0 ? options.RelayBandwidthRate : options.RelayBandwidthBurst
  const relayBurst = options.RelayBandwidthBurst > 0 ? options.RelayBandwidthBurst : options.RelayBandwidthRate
  const usable = (port: PortSpec): boolean => !options.ClientOnly && (port.hostIsExplicit || !options.AddressDisableIPv6 || !isIpv6(port.host ?? ''))
  const paths = options.PathsNeededToBuildCircuits
  const votes = options.AuthoritativeDirectory && options.V3AuthoritativeDirectory
  return {
    ...options,
    ORPort: options.ORPort.filter(usable),
    DirPort: options.DirPort.filter(usable),
    RelayBandwidthRate: relayRate,
    RelayBandwidthBurst: relayBurst,
    // A relay's own limit above the general one means that the general one was left at its default.
    BandwidthRate: Math.max(options.BandwidthRate, relayRate),
    BandwidthBurst: Math.max(options.BandwidthBurst, relayBurst),
    Nickname: options.Nickname ?? (options.ORPort.length > 0 && !options.ClientOnly ? 'Unnamed' : undefined),
    RecommendedClientVersions: options.RecommendedClientVersions.length > 0 ? options.RecommendedClientVersions : options.RecommendedVersions,
    RecommendedServerVersions: options.RecommendedServerVersions.length > 0 ? options.RecommendedServerVersions : options.RecommendedVersions,
    UseEntryGuards: options.UseEntryGuards && !options.AuthoritativeDirectory,
    DownloadExtraInfo: options.DownloadExtraInfo || votes,
    PathsNeededToBuildCircuits: paths < 0 ? paths : Math.min(0.95, Math.max(0.25, paths)),
    MaxCircuitDirtiness: durationMs(Math.min(mostDirtinessMs, Math.max(leastDirtinessMs, options.MaxCircuitDirtiness))),
  }
}
