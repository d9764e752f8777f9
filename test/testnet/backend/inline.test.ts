/** A whole network inside this process, on real sockets. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { prepareInlineNetwork } from '../../../src/testnet/backend/inline.ts'
import { loadChecks } from '../../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../../src/testnet/checks/run-checks.ts'
import { loadNetwork } from '../../../src/testnet/load-network.ts'
import { joinTrace } from '../../../src/trace/join.ts'
import { readTrace } from '../../../src/trace/read-trace.ts'
import { RunDirectory } from '../../../src/testnet/run-directory.ts'

it('comes up, carries streams, and leaves nothing behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'relish-inline-'))
  const network = await prepareInlineNetwork({ network: loadNetwork('basic-min', {}).network, directory: new RunDirectory(join(folder, 'run')), trace: join(folder, 'trace.jsonl') })
  try {
    await startUntilReady(network)
    const results = await runChecks(network, await loadChecks(['echo', 'resolve']), { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined })
    expect(results.map((result) => [result.name, result.outcome.kind])).toEqual([['echo', 'passed'], ['resolve', 'passed']])
  } finally {
    await network.close()
    const trace = joinTrace(readTrace(join(folder, 'trace.jsonl')))
    const open = trace.circuits.filter((circuit) => circuit.openAt !== undefined && circuit.path.length === 3)
    expect(open.length).toBeGreaterThan(0)
    for (const circuit of open) expect(circuit.parts.map((part) => part.node).slice(1)).toEqual(circuit.path)
    rmSync(folder, { recursive: true, force: true })
  }
  for (const node of network.nodes()) expect(network.status(node.name).state.kind).toBe('stopped')
})
