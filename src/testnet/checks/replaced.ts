/** A network of which some methods are others. */

import type { RunningNetwork } from '../backend/backend.ts'

export function replaced(network: RunningNetwork, others: Partial<RunningNetwork>): RunningNetwork {
  return new Proxy(network, {
    get: (target, name) => {
      const other = Reflect.get(others, name) as unknown
      if (other !== undefined) return other
      const value = Reflect.get(target, name) as unknown
      // Methods look for private fields, which only the network itself has.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
