/** Nodes that come and go, options that change and nodes that fail, while a stream goes on. */

import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, type Network, type Sink } from '../../src/library/index.ts'

describe.each(['inline', 'simulated'] as const)('in the %s world', (world) => {
  let net: Network
  let sink: Sink
  let stream: Duplex
  beforeAll(async () => {
    net = await launch('basic-min', { world })
    sink = await net.sink()
    stream = await net.client().connect(sink.name, sink.echoPort)
  })
  afterAll(() => net.close())

  /** The stream that was opened first still carries bytes both ways. */
  const goesOn = async (word: string): Promise<void> => {
    stream.write(word)
    const [back] = (await net.drive(() => once(stream, 'data'))) as [Buffer]
    expect(back.toString()).toBe(word)
  }
  const listed = async (node: string): Promise<string[]> => ((await net.node(node).inspect()).consensus[0]?.relays ?? []).map((relay) => relay.nickname)

  test('a relay comes: all have it in their consensus, and circuits go through it', async () => {
    await goesOn('before')
    const [relay] = await net.add({ role: 'relay', name: 'newcomer', torrc: { ContactInfo: 'later' } })
    expect(relay?.info().stage).toBe('ready')
    expect(relay?.torrc).toContain('ContactInfo later')
    for (const name of ['auth1', 'exit', 'client', 'newcomer']) expect(await listed(name)).toContain('newcomer')
    await net.node('client').buildCircuit(['auth1', 'newcomer', 'exit'])
    await goesOn('after')
  })

  test('it leaves: none has it any more, and its name and files are free', async () => {
    await net.remove('newcomer')
    await net.waitFor({ unlisted: 'newcomer' })
    expect(net.nodes().map((node) => node.name)).not.toContain('newcomer')
    expect(() => net.node('newcomer')).toThrow('there is no node newcomer')
    await goesOn('without')
    const [again] = await net.add({ role: 'client', name: 'newcomer' })
    await expect(net.client('newcomer').resolve(sink.name)).resolves.toBe(sink.host)
    await net.remove(again?.name ?? '')
  })

  test('names are numbered on from those that are taken', async () => {
    const [one] = await net.add({ role: 'client' })
    expect(one?.name).toBe('client1')
    const more = await net.add({ role: 'client', count: 2 })
    expect(more.map((node) => node.name)).toEqual(['client2', 'client3'])
    for (const name of ['client1', 'client2', 'client3']) await net.remove(name)
  })

  test('authorities neither come nor go', async () => {
    await expect(net.add({ role: 'authority' as 'relay' })).rejects.toMatchObject({ kind: 'refused' })
    await expect(net.remove('auth1')).rejects.toMatchObject({ kind: 'refused' })
    await expect(net.add({ role: 'relay', implementation: 'tor' })).rejects.toMatchObject({ kind: 'refused', message: expect.stringContaining(`cannot be added to a network whose world is ${world}`) as string })
  })

  test('an option changes at once, and what a descriptor says with the next vote', async () => {
    const exit = net.node('exit')
    await exit.setOptions({ ExitPolicy: ['reject *:25', 'reject *:4242', 'accept *:*'], BandwidthRate: '2 MB', BandwidthBurst: '2 MB' })
    await net.waitFor(async () => (await exit.document('descriptor')).includes('reject *:4242') || 'a descriptor with the new policy')
    expect(exit.torrc).toContain('BandwidthRate 2 MB')
    await expect(exit.setOptions({ BandwidthRate: 'much' })).rejects.toMatchObject({ kind: 'config' })
    expect(exit.torrc).toContain('BandwidthRate 2 MB')
    await net.vote()
    await expect(net.client().connect(sink.name, 4242)).rejects.toMatchObject({ kind: 'refused' })
    await goesOn('with a new policy')
  })

  test('a killed node is missed, and comes back', async () => {
    const node = net.node('auth4')
    await node.kill()
    expect(node.info().state).toEqual({ kind: 'stopped' })
    await expect(net.waitFor({ node: 'auth4', stage: 'ready' }, { timeout: 300 })).rejects.toMatchObject({ kind: 'timeout', missing: 'stage ready: auth4 is stopped' })
    await node.start()
    await net.waitFor('ready')
  })
})
