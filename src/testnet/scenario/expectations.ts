/** Whether what a scenario expects is true now. */

import type { NodeInspection } from '../../runtime/events.ts'
import type { NodeStatus, RunningNetwork } from '../backend/backend.ts'
import { isReady } from '../bootstrap.ts'
import type { Check } from '../checks/check.ts'
import { runChecks } from '../checks/run-checks.ts'
import { runningNodes } from '../running-nodes.ts'
import type { Expectation } from './scenario.ts'

/** A client's circuits are of three relays. */
const hopsOfACircuit = 3

/** Undefined if it is true; else what is in its way. */
export async function missingOf(expectation: Expectation, network: RunningNetwork, checks: readonly Check[], firstConsensusMs: number): Promise<string | undefined> {
  switch (expectation.kind) {
    case 'nodes': {
      const answers = await Promise.all(expectation.names.map(async (name) => ({ name, missing: await missingAt(name, expectation.has, network) })))
      const wanting = answers.filter((answer) => answer.missing !== undefined)
      const isTrue = expectation.which === 'every' ? wanting.length === 0 : wanting.length < answers.length
      return isTrue ? undefined : wanting.map(({ name, missing }) => `${name}: ${missing}`).join('; ')
    }
    case 'consensus': {
      const running = runningNodes(network)
      const answers = await Promise.all(running.map(async ({ name }) => ({ name, missing: missingConsensus(await inspected(name, network), network.clock.wallNow(), expectation, firstConsensusMs) })))
      const wanting = answers.filter((answer) => answer.missing !== undefined)
      return wanting.length === 0 ? undefined : wanting.map(({ name, missing }) => `${name}: ${missing}`).join('; ')
    }
    case 'check': {
      const [result] = await runChecks(network, checks.filter((check) => check.name === expectation.name), { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined })
      if (result === undefined) return 'there is no such check'
      const { outcome } = result
      return outcome.kind === 'passed' ? undefined : outcome.reason
    }
  }
}

async function inspected(name: string, network: RunningNetwork): Promise<NodeInspection | undefined> {
  return network.inspect(name).catch(() => undefined)
}

async function missingAt(name: string, has: 'circuit' | 'consensus' | 'ready' | 'stopped', network: RunningNetwork): Promise<string | undefined> {
  const status: NodeStatus = network.status(name)
  if (has === 'stopped') return status.state.kind === 'running' ? 'it runs' : undefined
  if (status.state.kind !== 'running') return 'it does not run'
  if (has === 'ready') return isReady(status) ? undefined : `it is at stage ${status.stage}${status.waitingFor === undefined ? '' : `, and waits for ${status.waitingFor}`}`
  const inspection = await inspected(name, network)
  if (inspection === undefined) return 'it does not answer'
  if (has === 'consensus') return missingConsensus(inspection, network.clock.wallNow(), { running: undefined, signatures: undefined, newer: false }, 0)
  return inspection.circuits.some((circuit) => circuit.role === 'origin' && circuit.state === 'open' && (circuit.path?.length ?? 0) >= hopsOfACircuit) ? undefined : 'it has no open circuit'
}

interface ConsensusWanted {
  readonly running: number | undefined
  readonly signatures: number | undefined
  readonly newer: boolean
}

function missingConsensus(inspection: NodeInspection | undefined, now: number, wanted: ConsensusWanted, firstConsensusMs: number): string | undefined {
  if (inspection === undefined) return 'it does not answer'
  const newest = inspection.consensus.toSorted((a, b) => b.validAfter - a.validAfter)[0]
  if (newest === undefined) return 'it has no consensus'
  if (newest.validUntil < now) return 'its consensus is too old'
  const listed = newest.relays.filter((relay) => relay.flags.includes('Running')).length
  if (wanted.running !== undefined && listed !== wanted.running) return `${listed} relays are listed as Running`
  if (wanted.signatures !== undefined && newest.signers.length < wanted.signatures) return `${newest.signers.length} authorities have signed`
  if (wanted.newer && newest.validAfter <= firstConsensusMs) return 'it is no newer one'
  return undefined
}
