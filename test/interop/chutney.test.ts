/**
 * The public Chutney (torproject/chutney), unmodified, with our programs as CHUTNEY_TOR and CHUTNEY_TOR_GENCERT. CHUTNEY
 * names a checkout; nothing of it is kept here, and without one there is one test that says so. Chutney's ports are
 * fixed: nothing else may use 5000 and up, 7000 and up, 8000 and up, 9000 and up.
 */

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCli, processesWith, type BuiltCli } from '../support/built-cli.ts'

const checkout = process.env['CHUTNEY']
const stepMs = 150_000

/** Of the ten nodes of the largest network: OR, directory, control and SOCKS ports. Its nodes listen on every address. */
const ports = [5000, 7000, 8000, 9000].flatMap((first) => Array.from({ length: 10 }, (_, node) => first + node))

async function portsInUse(): Promise<number[]> {
  const inUse: number[] = []
  for (const port of ports) {
    const server = createServer().listen(port, '0.0.0.0')
    await once(server, 'listening').catch(() => inUse.push(port))
    server.close()
  }
  return inUse
}

/** Half of the nodes are run by C tor. Two authorities of three are ours, so that a consensus takes both kinds. */
const mixed = `
def both(tag, **what):
    return Node(tag=tag, **what), Node(tag=tag, tor="tor", **what)

OurAuthority, TorAuthority = both("a", authority=1, relay=1, torrc="authority.tmpl")
OurExit, TorExit = both("r", relay=1, exit=1, torrc="relay.tmpl")
OurClient, TorClient = both("c", client=1, torrc="client.tmpl")

NODES = OurAuthority.getN(2) + TorAuthority.getN(1) + OurExit.getN(3) + TorExit.getN(2) + OurClient.getN(1) + TorClient.getN(1)

ConfigureNodes(NODES)
`

if (checkout === undefined) {
  test('no Chutney checkout is given: set CHUTNEY to run its networks', () => {
    expect(checkout).toBeUndefined()
  })
} else {
  describe.each([
    { network: 'basic-min', own: undefined },
    { network: 'basic', own: undefined },
    { network: 'half of it on C tor', own: mixed },
  ])('Chutney runs $network', ({ network, own }) => {
    let cli: BuiltCli
    let folder: string
    beforeAll(async () => {
      expect(existsSync(join(checkout, 'chutney')), `${checkout} is a checkout of Chutney`).toBe(true)
      expect(await portsInUse(), 'ports of Chutney\'s nodes that something else has').toEqual([])
      cli = await buildCli()
      folder = mkdtempSync(join(tmpdir(), 'relish-chutney-'))
      program('tor', cli.torPath)
      program('tor-gencert', cli.gencertPath)
      if (own !== undefined) writeFileSync(join(folder, 'network'), own)
    })
    afterAll(() => {
      chutney('stop')
      cli.remove()
      rmSync(folder, { recursive: true, force: true })
    })

    function program(name: string, path: string): void {
      writeFileSync(join(folder, name), `#!/bin/sh\nexec '${process.execPath}' '${path}' "$@"\n`)
      chmodSync(join(folder, name), 0o755)
    }

    function chutney(command: string): { code: number | null; output: string } {
      const { status, stdout, stderr } = spawnSync('./chutney', [command, own === undefined ? `networks/${network}` : join(folder, 'network')], {
        cwd: checkout,
        encoding: 'utf8',
        timeout: stepMs,
        env: { ...process.env, CHUTNEY_TOR: join(folder, 'tor'), CHUTNEY_TOR_GENCERT: join(folder, 'tor-gencert'), CHUTNEY_DATA_DIR: join(folder, 'net'), PYTHONWARNINGS: 'ignore', CHUTNEY_START_TIME: '120' },
      })
      return { code: status, output: stdout + stderr }
    }

    /** What the nodes have warned of. */
    function complaints(): string[] {
      const nodes = join(folder, 'net', 'nodes')
      if (!existsSync(nodes)) return []
      return readdirSync(nodes)
        .filter((node) => existsSync(join(nodes, node, 'notice.log')))
        .flatMap((node) => readFileSync(join(nodes, node, 'notice.log'), 'utf8').split('\n').filter((line) => /\[(warn|err)\]/.test(line)).map((line) => `${node}: ${line}`))
    }

    test('configure, start, wait_for_bootstrap, verify, hup, verify, stop', async () => {
      for (const command of ['configure', 'start', 'wait_for_bootstrap', 'verify', 'hup', 'verify']) {
        const { code, output } = chutney(command)
        expect(code, `${command}: ${output}\n${complaints().join('\n')}`).toBe(0)
        if (command === 'verify') expect(output).toContain('Transmission: Success')
      }
      expect(chutney('status').output).toMatch(/(\d+)\/\1 nodes are running/)
      expect(chutney('stop').code).toBe(0)
      expect(await processesWith(folder)).toEqual([])
      expect(complaints().filter((line) => line.includes('[err]'))).toEqual([])
    }, 4 * stepMs)
  })
}
