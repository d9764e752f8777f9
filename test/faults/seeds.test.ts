/** `relish sim --seeds`: processes of its own, what fails, made smaller, and the command that repeats it. */

import { tmpdir } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
})
afterAll(() => cli.remove())
const relish = (...args: string[]) => cli.run(args, { cwd: tmpdir() })

test('a fault for good, after which the network cannot be whole, ends with 6, and seeds say how to repeat it', async () => {
  const { code, stdout } = await relish('sim', 'basic-min', '--seeds', '2', '--workers', '2', '--faults', '[{ at: 1s, crash: exit }]', '--set', 'auth.torrc.V3AuthVotingInterval=120 seconds')
  expect(code).toBe(6)
  expect(stdout).toContain('0 of 2 seeds whole again')
  expect(stdout).toContain("relish sim basic-min --seed 1 --set 'auth.torrc.V3AuthVotingInterval=120 seconds' --faults '[{ at: 1000ms, crash: exit }]'")
}, 240_000)

// An authority that signed twice with its clock ahead, and after a crash; a disk that was full; streams and sockets left over.
test.each(['109', '126', '294', '1076', '5090', '20615'])('seed %s, which has found a mistake once, is whole again', async (seed) => {
  const { code, stdout } = await relish('sim', 'basic-min', '--seed', seed, '--faults')
  expect([code, stdout]).toEqual([0, expect.stringContaining('whole again after all faults')])
}, 120_000)
