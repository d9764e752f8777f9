/**
 * Authorities of C tor and ours sign the same consensuses while a network lives: relays join, leave, change their policy
 * and are flagged, parameters differ, bandwidth is measured. C tor votes on the clock, so that ten periods take ten times
 * ten seconds. A whole run of the shared-random protocol is in `consensus-periods.long.ts`.
 */

import { afterAll, beforeAll, test } from 'vitest'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'
import { liveThrough } from './consensus-life.ts'

let cli: BuiltCli
beforeAll(async () => void (cli = await buildCli()))
afterAll(() => cli.remove())

// Both at once: they mostly wait for the clock.
test.concurrent('two authorities of ours and one of C tor agree on ten periods on end', () => liveThrough({ cli, block: 141, authorities: ['relish', 'relish', 'tor'], periods: 10 }), 300_000)
test.concurrent('one authority of ours and two of C tor do so too', () => liveThrough({ cli, block: 142, authorities: ['tor', 'relish', 'tor'], periods: 10 }), 300_000)
