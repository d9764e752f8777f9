// A program of somebody else's, in JavaScript: every world, from the installed package.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { launch, NetworkFileError } from 'tor-relish'

for (const world of ['inline', 'processes', 'simulated']) {
  const signals = process.eventNames().length
  const net = await launch('basic-min', { world })
  assert.equal(process.eventNames().length, signals, 'the library listens for nothing of the process')
  try {
    const sink = await net.sink()
    const response = await net.client().fetch(sink.url('/hello'))
    assert.equal(response.status, 200)
    await response.text()
    assert.deepEqual(sink.visits.map((visit) => [visit.kind, visit.role]), [['http', 'exit']])
    assert.deepEqual(sink.leaks(), [])
    const [relay] = await net.add({ role: 'relay', name: 'later' })
    await net.waitFor({ listed: 'later' })
    await relay.setOptions({ BandwidthRate: '1 MB', BandwidthBurst: '1 MB' })
    await net.remove('later')
    assert.deepEqual(net.problems(), [])
  } finally {
    await net.close()
  }
  assert.ok(net.directory === undefined || !existsSync(net.directory))
}
await assert.rejects(launch('nodes:\n  - { rol: exit }\n'), NetworkFileError)
// Nothing is left that would keep the program.
