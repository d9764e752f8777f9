/** Waiting for conditions, and saying what is missing when they do not come true. */

import { RelishError } from '../core/base/errors.ts'
import type { NodeInspection } from '../runtime/events.ts'
import type { NodeStatus, RunningNetwork } from '../testnet/backend/backend.ts'
import { isReady, stagesOf } from '../testnet/bootstrap.ts'
import { noSuchNode } from '../testnet/node-names.ts'
import type { Condition, WaitOptions } from './api.ts'
import { WaitTimeoutError } from './errors.ts'
import { waitPollMs, waitTimeoutMs } from './limits.ts'
import type { During } from './world-duplex.ts'

/** Throws `WaitTimeoutError`, and whatever a condition of the caller's throws. */
export async function waitForCondition(network: RunningNetwork, during: During, condition: Condition, options: WaitOptions): Promise<void> {
  const timeoutMs = options.timeout ?? waitTimeoutMs
  const deadlineMs = network.clock.now() + timeoutMs
  let missing = 'an answer of the condition'
  for (;;) {
    const leftMs = deadlineMs - network.clock.now()
    const answer = await during(withinTime(network, missingOf(network, condition), Math.max(leftMs, 0)))
    if (answer === undefined) return
    if (answer !== tooLate) missing = answer
    if (answer === tooLate || leftMs <= 0) throw new WaitTimeoutError(timeoutMs, missing)
    await during(nextChange(network, Math.min(waitPollMs, leftMs)))
  }
}

const tooLate = Symbol('too late')

function withinTime<T>(network: RunningNetwork, work: Promise<T>, ms: number): Promise<T | typeof tooLate> {
  return new Promise((resolve, reject) => {
    const cancel = network.clock.after(ms, () => resolve(tooLate))
    // A timer that is left would keep the program that waited.
    work.then(resolve, reject).finally(cancel)
  })
}

/** Resolves at the next event, or after a while. */
function nextChange(network: RunningNetwork, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel()
      unsubscribe()
      resolve()
    }
    const unsubscribe = network.onEvent(finish)
    const cancel = network.clock.after(ms, finish)
  })
}

/** In words; undefined when nothing is. */
async function missingOf(network: RunningNetwork, condition: Condition): Promise<string | undefined> {
  if (condition === 'ready') {
    const stuck = running(network).filter((status) => !isReady(status))
    return stuck.length === 0 ? undefined : stuck.map(describe).join('; ')
  }
  if (typeof condition === 'function') {
    const answer = await condition()
    return answer === true ? undefined : typeof answer === 'string' ? answer : `the condition ${nameOf(condition)}`
  }
  if ('stage' in condition) {
    const { role } = nodeOf(network, condition.node)
    const status = network.status(condition.node)
    const order = stagesOf(role)
    if (!order.includes(condition.stage)) throw new RelishError('config', `${condition.node} never comes to the stage "${condition.stage}"`, { hint: `stages of its role: ${order.join(', ')}` })
    return status.state.kind === 'running' && order.indexOf(status.stage) >= order.indexOf(condition.stage) ? undefined : `stage ${condition.stage}: ${describe(status)}`
  }
  if ('state' in condition) {
    nodeOf(network, condition.node)
    const status = network.status(condition.node)
    return status.state.kind === condition.state ? undefined : `${condition.node} ${condition.state}: ${describe(status)}`
  }
  const wanted = 'listed' in condition
  const nickname = wanted ? condition.listed : condition.unlisted
  const inspections = await Promise.all(running(network).map((status) => network.inspect(status.name)))
  const wrong = inspections.filter((one) => lists(one, nickname) !== wanted)
  return wrong.length === 0 ? undefined : `a consensus ${wanted ? 'with' : 'without'} ${nickname} at ${wrong.map((one) => one.nickname).join(', ')}`
}

const running = (network: RunningNetwork): NodeStatus[] => network.nodes().map((node) => network.status(node.name)).filter((status) => status.state.kind === 'running')

function nodeOf(network: RunningNetwork, name: string): ReturnType<RunningNetwork['nodes']>[number] {
  const node = network.nodes().find((one) => one.name === name)
  if (node === undefined) throw noSuchNode(name, network.nodes().map((one) => one.name))
  return node
}

/** Of the newest consensus a node has. */
function lists(inspection: NodeInspection, nickname: string): boolean {
  const newest = Math.max(...inspection.consensus.map((one) => one.validAfter))
  return inspection.consensus.some((one) => one.validAfter === newest && one.relays.some((relay) => relay.nickname === nickname))
}

function describe(status: NodeStatus): string {
  switch (status.state.kind) {
    case 'configured':
      return `${status.name} was never started`
    case 'stopped':
      return `${status.name} is stopped`
    case 'died':
      return `${status.name} died: ${status.state.reason}`
    case 'running': {
      const warning = status.warnings.at(-1)
      return `${status.name} is at stage ${status.stage}${status.waitingFor === undefined ? '' : ` and waits for ${status.waitingFor}`}${status.setback === undefined ? '' : ` (${status.setback})`}${warning === undefined ? '' : ` (${warning})`}`
    }
  }
}

/** How a function is shown that says nothing itself. */
function nameOf(condition: () => unknown): string {
  const source = condition.toString().replace(/\s+/g, ' ')
  return condition.name !== '' ? condition.name : source.length <= 80 ? source : `${source.slice(0, 79)}…`
}
