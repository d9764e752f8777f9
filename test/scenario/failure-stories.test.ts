/** Networks that cannot come up: the story of the failed start names the node, what it waits for and what it warned of. */

import { expect, test } from 'vitest'
import { BootstrapError, formatBootstrapError, startUntilReady, waitUntilReady } from '../../src/testnet/bootstrap.ts'
import { SimulatedNetwork } from '../../src/testnet/backend/simulated.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'

const nodes = (each: { readonly auth?: string; readonly exit?: string; readonly client?: string }): string => `nodes:
  - role: authority
    name: auth
    count: 3
    each: {${each.auth ?? ''}}
  - role: exit
    name: exit
    count: 2
    each: {${each.exit ?? ''}}
  - role: client
    name: client
    count: 1
    each: {${each.client ?? ''}}
options: { progressSec: 30 }
`

async function storyOf(text: string, start: (network: SimulatedNetwork) => Promise<unknown> = startUntilReady): Promise<string> {
  const { network } = loadNetworkText(text, '/nowhere/story.yaml', {})
  const running = await SimulatedNetwork.prepare({ network, seed: '1' })
  const error = await running.drive(() => start(running).then(() => undefined, (thrown: unknown) => thrown))
  await running.close()
  if (!(error instanceof BootstrapError)) throw new Error(`it came up: ${String(error)}`)
  return formatBootstrapError(error)
}

test('authorities whose clocks differ say so', async () => {
  const story = await storyOf(nodes({ auth: 'auth2: { torrc: { TestingClockOffset: 7200 } }, auth3: { torrc: { TestingClockOffset: -7200 } }' }))
  expect(story).toContain('auth1, auth2, auth3 (authority): at stage voted')
  expect(story).toMatch(/auth1: warn: .*Rejecting vote from auth[23] with valid-after time of/)
  expect(story).toContain('It seems that our clock is behind by 2 hours, 0 minutes, or that theirs is ahead')
  expect(story).toContain('try: look at the authorities')
})

test('a client whose clock is days behind says so', async () => {
  const story = await storyOf(nodes({ client: 'client1: { torrc: { TestingClockOffset: -259200 } }' }))
  expect(story).toContain('client')
  expect(story).toMatch(/It seems that our clock is behind by 3 days, 0 hours, [01] minutes/)
})

test('a client that finds no directory names whom it asked, and what came of it', async () => {
  const story = await storyOf(nodes({}), async (network) => {
    await startUntilReady(network)
    await network.stop(['auth1', 'auth2', 'auth3'])
    await network.addNode({ name: 'late', role: 'client', torrc: [] })
    await waitUntilReady(network, ['late'])
  })
  expect(story).toMatch(/late \(client\): at stage listening, waits for a consensus with enough signatures, nothing new for/)
  expect(story).toMatch(/last attempt: auth\d cannot be asked: .*refused/)
  expect(story).toMatch(/Problem bootstrapping\. Stuck at 5% \(conn\): Connecting to a relay\. \(.*; CONNECTREFUSED; count \d+; recommendation warn; host [0-9A-F]{40} at 127\.\d\.0\.1:9001\)/)
})
