/**
 * All circuits that this node has built or is building, and what they share. What one of them does is
 * `origin-circuit-driver.ts`.
 */

import { RelishError } from '../core/base/errors.ts'
import type { FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { CircuitInspection } from '../runtime/events.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Channels } from './channel.ts'
import { ORIGIN_CIRCUITS_MAX } from './limits.ts'
import type { CircuitOptions, HopTarget, OriginCircuit, OriginCircuitCallbacks, OriginCircuits } from './origin-circuit.ts'
import { OriginCircuitDriver } from './origin-circuit-driver.ts'
import type { NewsBoard } from './node-news.ts'

export interface OriginCircuitManagerOptions {
  readonly runtime: Runtime
  readonly channels: Channels
  /** Consensus parameters, as of now. */
  readonly flow?: () => FlowParameters
  readonly news?: NewsBoard
}

export class OriginCircuitManager implements OriginCircuits {
  readonly #options: OriginCircuitManagerOptions
  /** In the order they were begun. */
  readonly #circuits = new Map<number, OriginCircuitDriver>()
  #nextId = 1

  constructor(options: OriginCircuitManagerOptions) {
    this.#options = options
  }

  build(path: readonly HopTarget[], options: CircuitOptions, callbacks: OriginCircuitCallbacks): OriginCircuit {
    const { runtime, channels, flow, news } = this.#options
    const id = this.#nextId++
    const circuit = new OriginCircuitDriver({
      id,
      path,
      purpose: options.purpose,
      congestionControl: options.congestionControl === true,
      runtime,
      channels,
      flow: flow?.() ?? {},
      callbacks,
      news,
      onGone: () => this.#circuits.delete(id),
    })
    const refusal = this.#circuits.size >= ORIGIN_CIRCUITS_MAX ? new RelishError('limit', `this node has its limit of ${ORIGIN_CIRCUITS_MAX} circuits`) : undefined
    this.#circuits.set(id, circuit)
    circuit.begin(refusal)
    return circuit
  }

  list(): readonly OriginCircuit[] {
    return [...this.#circuits.values()]
  }

  inspect(): readonly CircuitInspection[] {
    return [...this.#circuits.values()].map((circuit) => circuit.inspect())
  }

  closeAll(): void {
    for (const circuit of [...this.#circuits.values()]) circuit.close('shutdown')
  }
}
