/**
 * Introduction and rendezvous points at this relay: hands messages to the rules in `core/hs/relay-points.ts` and carries
 * out what they decide. rend-spec-v3 §3, §4.
 */

import type { RelayMessage } from '../core/cell/relay-cell.ts'
import { HsRelayPoints, type HsAction, type HsRelayPolicy } from '../core/hs/relay-points.ts'
import type { Runtime } from '../runtime/index.ts'
import type { CircuitMessageService, RelayCircuitDriver } from './relay-circuit-driver.ts'

export class HsRelayService implements CircuitMessageService {
  readonly #runtime: Runtime
  readonly #points: HsRelayPoints<RelayCircuitDriver>

  constructor(runtime: Runtime, policy: HsRelayPolicy) {
    this.#runtime = runtime
    this.#points = new HsRelayPoints(policy)
  }

  handle(circuit: RelayCircuitDriver, message: RelayMessage): void {
    for (const action of this.#points.handle(this.#runtime.monotonicNow(), circuit, message)) this.#carryOut(action)
  }

  forget(circuit: RelayCircuitDriver): void {
    this.#points.forget(circuit)
  }

  #carryOut(action: HsAction<RelayCircuitDriver>): void {
    switch (action.kind) {
      case 'send':
        action.circuit.sendMessage(action.command, action.data)
        return
      case 'close':
        action.circuit.close(action.reason, action.error)
        return
      case 'join': {
        const [one, other] = action.circuits
        one.joinWith(other)
        return
      }
    }
  }
}
