/** A network as a fixture of node:test: `tor-relish/node-test`. */

import { after, before } from 'node:test'
import { RelishError } from '../core/base/errors.ts'
import type { NetworkFile } from '../testnet/network-types.ts'
import type { LaunchOptions, Network } from './api.ts'
import { launch } from './launch.ts'

export type * from './index.ts'

/** A network that runs while the tests of a file or `describe` do. */
export interface TorFixture {
  /** The network. Throws `unavailable` before the tests begin and after they have ended. */
  readonly tor: Network
}

/**
 * Starts a network before the tests of the file or `describe` that this is called in, and stops it after them. Arguments
 * as for `launch`.
 *
 * @example
 * ```js
 * import { test } from 'node:test'
 * import { useTor } from 'tor-relish/node-test'
 *
 * const fixture = useTor('basic-min')
 *
 * test('the server sees an exit', async (t) => {
 *   const sink = await fixture.tor.sink()
 *   await fixture.tor.client().fetch(sink.url())
 *   t.assert.strictEqual(sink.visits[0].role, 'exit')
 * })
 * ```
 */
export function useTor(network: string | NetworkFile, options: LaunchOptions = {}): TorFixture {
  let made: Network | undefined
  before(async () => {
    made = await launch(network, options)
  })
  after(async () => {
    const ending = made
    made = undefined
    await ending?.close()
  })
  return {
    get tor() {
      if (made === undefined) throw new RelishError('unavailable', 'the network runs only while the tests do', { hint: 'use it inside a test or hook' })
      return made
    },
  }
}
