/** A network as a fixture of vitest: `tor-relish/vitest`. */

import { afterAll, beforeAll, beforeEach, test as base, type TestAPI } from 'vitest'
import type { LaunchOptions, Network } from './api.ts'
import { launch } from './launch.ts'
import type { NetworkFile } from '../testnet/network-types.ts'

export type * from './index.ts'

/** How a network is started, and whom it is for. */
export interface TorTestOptions extends LaunchOptions {
  /**
   * `file` (the default): one network for all tests of a file. `worker`: one for all files that a worker runs, which is
   * more than one only with `isolate: false`. `test`: one for each test.
   */
  readonly scope?: 'test' | 'file' | 'worker'
}

/** What tests get. */
export interface TorTestContext {
  /** The network, which runs when the test begins. */
  readonly tor: Network
}

/**
 * A `test` whose tests can ask for `tor`, a running network. It is started before the tests of the file, or before each of its tests
 * with the scope `test`, outside their limit of time, and stopped after the last, or each. Arguments as for `launch`.
 *
 * @example
 * ```ts
 * import { torTest } from 'tor-relish/vitest'
 *
 * const test = torTest('basic-min')
 *
 * test('the server sees an exit', async ({ tor, expect }) => {
 *   const sink = await tor.sink()
 *   await tor.client().fetch(sink.url())
 *   expect(sink.visits[0]?.role).toBe('exit')
 * })
 * ```
 */
export function torTest(network: string | NetworkFile, options: TorTestOptions = {}): TestAPI<TorTestContext> {
  const { scope = 'file', ...launchOptions } = options
  /** Started, and not asked for yet. */
  let ahead: Promise<Network> | undefined
  let inUse = false
  const start = async ({}: object, use: (made: Network) => Promise<void>): Promise<void> => {
    const starting = ahead ?? launch(network, launchOptions)
    ahead = undefined
    const made = await starting
    inUse = true
    try {
      await use(made)
    } finally {
      inUse = false
      await made.close()
    }
  }
  // How long a network takes is up to how busy the machine is. It has limits of its own, which follow progress.
  const noLimit = 0
  if (scope === 'test') {
    // Who names it here has it started, in tests that have it at all.
    beforeEach<TorTestContext>(({ tor }) => void tor, noLimit)
  } else {
    beforeAll(async () => {
      if (inUse) return
      ahead = launch(network, launchOptions)
      // Told to the test that asks for it.
      await ahead.catch(() => undefined)
    }, noLimit)
    afterAll(async () => {
      const left = await ahead?.catch(() => undefined)
      ahead = undefined
      await left?.close()
    }, noLimit)
  }
  return base.extend<TorTestContext>({ tor: [start, { scope }] }) as TestAPI<TorTestContext>
}
