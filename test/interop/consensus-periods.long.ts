/**
 * As `consensus-periods.test.ts`, through a whole run of the shared-random protocol and into the next (50 periods,
 * nine minutes): `npx vitest run --config test/interop/long.config.ts`.
 */

import { afterAll, beforeAll, test } from 'vitest'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'
import { liveThrough } from './consensus-life.ts'

let cli: BuiltCli
beforeAll(async () => void (cli = await buildCli()))
afterAll(() => cli.remove())

test('authorities of both kinds agree through a run of shared randomness', () => liveThrough({ cli, block: 143, authorities: ['relish', 'tor', 'relish', 'tor'], periods: 50 }), 900_000)
