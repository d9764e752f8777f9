/** A network as a fixture of vitest: `tor-relish/vitest`. */

import { test as base, type TestAPI } from 'vitest'
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
  /** The network, which runs when the first test that asks for it begins. */
  readonly tor: Network
}

/**
 * A `test` whose tests can ask for `tor`, a running network. It is started for the first that does, and stopped after the
 * last. Arguments as for `launch`.
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
  const start = async ({}: object, use: (made: Network) => Promise<void>): Promise<void> => {
    const made = await launch(network, launchOptions)
    try {
      await use(made)
    } finally {
      await made.close()
    }
  }
  return base.extend<TorTestContext>({ tor: [start, { scope }] }) as TestAPI<TorTestContext>
}
