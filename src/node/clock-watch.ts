/**
 * Whether this node's clock is right, as far as others tell: NETINFO cells carry the peer's time (tor-spec §4.5), and no
 * consensus has enough signatures before its authorities have exchanged them (dir-spec §1.4). Says it, in C tor's words
 * (`clock_skew_warning`), and changes nothing.
 */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import type { WallMs } from '../core/base/time.ts'
import type { ChannelOpen } from '../core/proto/channel/channel-types.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Channel } from './channel.ts'
import { CONSENSUS_EARLY_NOTICE_SEC, NETINFO_SKEW_NOTICE_SEC } from './limits.ts'

export class ClockWatch {
  readonly #runtime: Runtime
  /** RSA identities of the configured authorities, in upper-case hexadecimal. Their clocks are believed. */
  readonly #authorities: ReadonlySet<string>

  constructor(runtime: Runtime, authorities: ReadonlySet<string>) {
    this.#runtime = runtime
    this.#authorities = authorities
  }

  channelOpened(channel: Channel, { clockSkewSec, peer }: ChannelOpen): void {
    if (clockSkewSec === undefined || Math.abs(clockSkewSec) <= NETINFO_SKEW_NOTICE_SEC) return
    // Anybody may dial us and say anything.
    if (!channel.peer.initiator && peer === undefined) return
    const trusted = peer !== undefined && this.#authorities.has(hexEncodeUpper(peer.rsaIdentity))
    const { host, port } = channel.peer.address
    this.#tell(trusted, `NETINFO cell with skewed time (OR:${host}:${port})`, clockSkewSec)
  }

  consensusHeld(consensus: { readonly flavour: string; readonly validAfter: WallMs; readonly votingDelay: { readonly distSec: number } }): void {
    const now = this.#runtime.wallNow()
    const earlySec = Math.round((consensus.validAfter - now) / 1000)
    if (earlySec <= consensus.votingDelay.distSec + CONSENSUS_EARLY_NOTICE_SEC) return
    this.#tell(true, `${consensus.flavour} flavor consensus with skewed time (CONSENSUS)`, earlySec)
  }

  /** `aheadSec`: how far their clock is ahead of ours. */
  #tell(trusted: boolean, received: string, aheadSec: number): void {
    const [ours, theirs] = aheadSec > 0 ? ['behind', 'ahead'] : ['ahead', 'behind']
    const doubt = trusted ? '' : ', or they are sending us the wrong time'
    this.#runtime.log.write(
      trusted ? 'warn' : 'info',
      'general',
      `Received ${received}: It seems that our clock is ${ours} by ${intervalText(Math.abs(aheadSec))}, or that theirs is ${theirs}${doubt}. Tor requires an accurate clock to work: please check your time, timezone, and date settings.`,
    )
  }
}

/** As C tor's `format_time_interval` has it. */
function intervalText(totalSec: number): string {
  const [days, hours, minutes] = [Math.floor(totalSec / 86_400), Math.floor(totalSec / 3600) % 24, Math.floor(totalSec / 60) % 60]
  if (days > 0) return `${days} days, ${hours} hours, ${minutes} minutes`
  if (hours > 0) return `${hours} hours, ${minutes} minutes`
  if (minutes > 0) return `${minutes} minutes, ${totalSec % 60} seconds`
  return `${totalSec} seconds`
}
