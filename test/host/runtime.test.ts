import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RelishError } from '../../src/core/base/errors.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import { runtimeContract } from '../contract/runtime.contract.ts'
import { startScriptedDns } from '../support/scripted-dns.ts'

runtimeContract('the host', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'relish-host-'))
  const dns = await startScriptedDns({ name: 'known.example', address: '192.0.2.7' })
  const resolvConfFile = join(folder, 'resolv.conf')
  writeFileSync(resolvConfFile, `nameserver ${dns.server}\n`)
  const bugs: RelishError[] = []
  const make = (name: string) =>
    createHostRuntime({ dataDirectory: join(folder, name), onBug: (error) => bugs.push(error), resolvConfFile })
  const near = make('near')
  const far = make('far')
  // A proxy that takes the connection and says nothing: nowhere on loopback does a dial get no answer at all.
  const mute = createServer((socket) => socket.on('error', () => undefined).resume())
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const muteAddress = mute.address()
  if (muteAddress === null || typeof muteAddress === 'string') throw new Error('not a TCP server')
  return {
    near,
    far,
    nearHost: '127.0.0.5',
    farHost: '127.0.0.6',
    farHost6: '::1',
    knownName: 'known.example',
    unknownName: 'unknown.example',
    namelessAddress: '192.0.2.8',
    silent: { target: { host: '127.0.0.7', port: 80 }, httpsProxy: { host: '127.0.0.1', port: muteAddress.port } },
    until: async (what, condition) => {
      const deadline = performance.now() + 10_000
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`not within ten seconds: ${what}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    bugs,
    close: () => {
      near.close()
      far.close()
      mute.close()
      dns.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
})
