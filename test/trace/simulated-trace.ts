/** Traces of small simulated networks, for the tests of what reads them. */

import { startUntilReady } from '../../src/testnet/bootstrap.ts'
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../src/testnet/backend/simulated.ts'
import type { Check } from '../../src/testnet/checks/check.ts'
import { loadChecks } from '../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../src/testnet/checks/run-checks.ts'
import { loadNetwork } from '../../src/testnet/load-network.ts'
import { joinTrace, type JoinedTrace } from '../../src/trace/join.ts'
import { parseTrace } from '../../src/trace/read-trace.ts'

export interface Recorded {
  readonly lines: readonly string[]
  readonly digest: string
}

const silent = { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined }

/** `basic-min` from its start until these checks have been run. */
export async function record(options: Partial<SimulatedNetworkOptions> & { readonly checks?: readonly (string | Check)[]; readonly set?: readonly string[]; readonly traced?: boolean } = {}): Promise<Recorded> {
  const { checks = ['echo'], set = [], traced = true, ...rest } = options
  const lines: string[] = []
  const named = await loadChecks(checks.filter((check) => typeof check === 'string'))
  const loaded = [...named, ...checks.filter((check) => typeof check !== 'string')]
  const network = await SimulatedNetwork.prepare({
    network: loadNetwork('basic-min', {}, set).network, seed: '1', ...(traced ? { traceSink: (line: string) => lines.push(line) } : {}), ...rest,
  })
  await network.drive(async () => {
    await startUntilReady(network)
    await runChecks(network, loaded, silent)
  })
  await network.close()
  return { lines, digest: network.traceDigest() }
}

export const joined = (lines: Iterable<string>): JoinedTrace => joinTrace(parseTrace(fileLines(lines), 'trace'))

export function* fileLines(lines: Iterable<string>): Generator<{ text: string; number: number; isWhole: boolean }> {
  let number = 0
  for (const text of lines) yield { text, number: ++number, isWhole: true }
}
