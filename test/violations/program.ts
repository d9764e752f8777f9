/** Runs checks on a simulated network and prints what came of them, as JSON: bundled by the test, with one thing broken. */

import { SimulatedNetwork } from '../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../src/testnet/bootstrap.ts'
import { makeBulkCheck } from '../../src/testnet/checks/bulk.ts'
import { builtInChecks } from '../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../src/testnet/checks/run-checks.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'

interface Order {
  readonly network: string
  readonly seed: string
  /** All if absent. */
  readonly checks?: readonly string[]
}

async function main(order: Order): Promise<void> {
  const network = await SimulatedNetwork.prepare({ network: loadNetworkText(order.network, '/nowhere/violated.yaml', {}).network, seed: order.seed })
  const checks = builtInChecks.filter((check) => order.checks?.includes(check.name) ?? true).map((check) => (check.name === 'bulk' ? makeBulkCheck(1 << 18) : check))
  const results = await network.drive(async () => {
    await startUntilReady(network)
    return runChecks(network, checks, { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined })
  })
  process.stdout.write(JSON.stringify(results.map(({ name, outcome }) => ({ name, kind: outcome.kind, reason: 'reason' in outcome ? outcome.reason : '' }))))
  process.exit()
}

void main(JSON.parse(process.argv[2] ?? '{}') as Order)
