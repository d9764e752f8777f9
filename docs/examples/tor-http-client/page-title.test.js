// The application's test: a Tor network of its own, and a server in it that remembers everybody who came or asked for it.
// node --test page-title.test.js
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useTor } from 'tor-relish/node-test'
import { fallingBack, lookingUp } from './leaky-page-title.js'
import { pageTitle } from './page-title.js'

const fixture = useTor('basic-min')
const page = () => ({ headers: { 'content-type': 'text/html' }, body: '<html><title>Relish</title></html>' })

test('reads the title, and is seen by nobody', async () => {
  const { tor } = fixture
  const site = await tor.sink({ respond: page })
  assert.equal(await pageTitle(site.url('/'), tor.client().socks), 'Relish')

  // It was there, and came from an exit; the name was asked for, by an exit; there was nothing else.
  assert.deepEqual(site.visits.map((visit) => [visit.kind, visit.role]), [['http', 'exit']])
  assert.ok(site.questions.some((question) => question.name === site.name))
  assert.deepEqual(site.leaks(), [])
})

test('fails, rather than go another way, when Tor cannot reach the server', async () => {
  const { tor } = fixture
  const site = await tor.sink({ respond: page })
  await assert.rejects(pageTitle('http://no-such-name.relish.test/', tor.client().socks), /SOCKS reply 4/)
  await assert.rejects(pageTitle(site.url('/'), { host: tor.client().socks.host, port: 1 }), /ECONNREFUSED/)
  assert.deepEqual(site.visits, [])
  assert.deepEqual(site.leaks(), [])
})

test('the mistakes would have been found', async () => {
  const { tor } = fixture
  const site = await tor.sink({ respond: page })
  await lookingUp(site.url('/'), tor.client().socks, site.dns)
  assert.deepEqual(site.leaks().map((leak) => [leak.kind, leak.name]), [['dns', site.name]])

  const other = await tor.sink({ respond: page })
  await fallingBack(other.url('/'), tor.client().socks, other.host)
  assert.deepEqual(other.leaks().map((leak) => leak.kind), ['http'])
})
