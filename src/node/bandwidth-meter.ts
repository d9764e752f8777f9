/**
 * What a relay says of the traffic it has seen: its observed bandwidth (dir-spec §2.1.1) and the history lines of its
 * extra-info document (§2.1.2), remembered in the state file under C tor's keywords. Bytes come from the connections that
 * `metered-network.ts` watches.
 */

import { durationMs, seconds, wallToSec, type DurationMs } from '../core/base/time.ts'
import { isIpv6, isPrivateIp } from '../core/ident/address.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime } from '../runtime/index.ts'
import { BandwidthHistory, PERIOD_SECONDS, ROLLING_SECONDS } from './bandwidth-history.ts'
import type { StateStore } from './state-store.ts'

/** Told of the bytes of one connection. */
export interface ByteCounter {
  readonly read: (bytes: number) => void
  readonly written: (bytes: number) => void
}

/** In the order in which C tor publishes them; the keywords of the state file begin with `BWHistory` and the second word. */
const directions = [
  { key: 'written', keyword: 'write-history', stateName: 'Write' },
  { key: 'read', keyword: 'read-history', stateName: 'Read' },
  { key: 'writtenIpv6', keyword: 'ipv6-write-history', stateName: 'IPv6Write' },
  { key: 'readIpv6', keyword: 'ipv6-read-history', stateName: 'IPv6Read' },
  { key: 'writtenDirectory', keyword: 'dirreq-write-history', stateName: 'DirWrite' },
  { key: 'readDirectory', keyword: 'dirreq-read-history', stateName: 'DirRead' },
] as const

type Direction = (typeof directions)[number]

export class BandwidthMeter {
  readonly #runtime: Runtime
  readonly #state: StateStore
  readonly #options: () => TorOptions
  readonly #histories: Readonly<Record<Direction['key'], BandwidthHistory>>

  constructor(runtime: Runtime, state: StateStore, options: () => TorOptions) {
    this.#runtime = runtime
    this.#state = state
    this.#options = options
    const histories = directions.map((direction) => [direction.key, this.#load(direction)] as const)
    this.#histories = Object.fromEntries(histories) as Record<Direction['key'], BandwidthHistory>
  }

  /** For a connection with this host; undefined for one that is not counted: the relay's own network (`CountPrivateBandwidth`). */
  counterFor(host: string): ByteCounter | undefined {
    const options = this.#options()
    if (!options.CountPrivateBandwidth && isPrivateIp(host)) return undefined
    const { read, written, readIpv6, writtenIpv6 } = this.#histories
    if (!isIpv6(host)) return this.#counter([read], [written])
    return this.#counter([read, readIpv6], [written, writtenIpv6])
  }

  /** For connections that ask this relay for directory documents, tunnelled or not. */
  directoryCounter(): ByteCounter {
    return this.#counter([this.#histories.readDirectory], [this.#histories.writtenDirectory])
  }

  /** Bytes a second in the best ten seconds of the last days, of reading or of writing, whichever was less. */
  observed(): number {
    const nowSec = this.#nowSec()
    const best = [this.#histories.read, this.#histories.written].map((history) => history.best(nowSec, this.#minPeriodSec))
    return Math.floor(Math.min(...best) / ROLLING_SECONDS)
  }

  /** From when on `observed` counts what was seen since the first start. */
  untilTold(): DurationMs {
    return durationMs(this.#histories.read.secondsUntilTold(this.#nowSec(), this.#minPeriodSec) * 1000)
  }

  get #minPeriodSec(): number {
    const options = this.#options()
    return options.TestingMinTimeToReportBandwidth / seconds(1)
  }

  /** Lines of the extra-info document. None before the first day is over. */
  lines(): { readonly keyword: string; readonly text: string }[] {
    const nowSec = this.#nowSec()
    const options = this.#options()
    // What goes beyond the rate for relaying was the operator's own traffic, which is nobody's business.
    const totalMax = options.RelayBandwidthRate > 0 ? options.RelayBandwidthRate * PERIOD_SECONDS : Number.POSITIVE_INFINITY
    return directions.flatMap(({ key, keyword }) => {
      const text = this.#histories[key].line(nowSec, totalMax)
      return text === undefined ? [] : [{ keyword, text }]
    })
  }

  /** Hands everything to the state file. */
  save(): void {
    const nowSec = this.#nowSec()
    for (const { key, stateName } of directions) {
      const { ends, intervalSec, values, maxima } = this.#histories[key].save(nowSec)
      this.#state.set(`BWHistory${stateName}Ends`, [ends])
      this.#state.set(`BWHistory${stateName}Interval`, [intervalSec])
      this.#state.set(`BWHistory${stateName}Values`, [values])
      this.#state.set(`BWHistory${stateName}Maxima`, [maxima])
    }
  }

  #load({ stateName }: Direction): BandwidthHistory {
    const value = (what: string): string | undefined => this.#state.values(`BWHistory${stateName}${what}`)[0]
    const saved = { ends: value('Ends'), intervalSec: value('Interval'), values: value('Values'), maxima: value('Maxima') }
    return BandwidthHistory.load(saved, this.#nowSec())
  }

  #counter(read: readonly BandwidthHistory[], written: readonly BandwidthHistory[]): ByteCounter {
    const addTo = (histories: readonly BandwidthHistory[], bytes: number): void => {
      const nowSec = this.#nowSec()
      for (const history of histories) history.add(nowSec, bytes)
    }
    return { read: (bytes) => addTo(read, bytes), written: (bytes) => addTo(written, bytes) }
  }

  #nowSec(): number {
    return wallToSec(this.#runtime.wallNow())
  }
}
