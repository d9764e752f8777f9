/** Sinks for one check: opened at the observer's address, closed when the check is over. */

import type { RunningNetwork } from '../backend/backend.ts'
import { openEchoSink, openHttpSink, openSilentSink, type Sink } from '../sink/sinks.ts'

export interface SinkFactory {
  /** Sends back every byte. `host` is another address of this machine, such as `::1`; `port` one that is not just any. */
  echo(host?: string, port?: number): Promise<Sink>
  /** Answers HTTP with the address that came. */
  http(host?: string): Promise<Sink>
  /** Takes everything and says nothing. */
  silent(host?: string): Promise<Sink>
  /** Gives addresses a name that exits can resolve, and that nobody else knows; fresh for every call. */
  name(addresses: readonly string[]): string
  closeAll(): void
}

export function makeSinkFactory(network: RunningNetwork, prefix: string): SinkFactory {
  const open: Sink[] = []
  let names = 0
  const keep = (sink: Sink): Sink => {
    open.push(sink)
    return sink
  }
  const now = (): number => network.clock.now()
  const at = (host: string | undefined): string => host ?? network.placement.observerHost
  return {
    echo: async (host, port) => keep(await openEchoSink(network.observer, at(host), now, port)),
    http: async (host) => keep(await openHttpSink(network.observer, at(host), now)),
    silent: async (host) => keep(await openSilentSink(network.observer, at(host), now)),
    name: (addresses) => {
      const name = `${prefix}-${++names}-${Math.floor(now())}.relish.test`
      network.nameServer.setAddresses(name, addresses)
      return name
    },
    closeAll: () => {
      for (const sink of open) sink.close()
    },
  }
}
