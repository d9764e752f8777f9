import { expect, test } from 'vitest'
import { LibraryEvents } from '../../src/library/events.ts'
import type { NodeEventRecord, RunningNetwork } from '../../src/testnet/backend/backend.ts'

test('each of several calls of next gets an event of its own, and all end with the network', async () => {
  const listeners = new Set<(record: NodeEventRecord) => void>()
  const network = { onEvent: (listener: (record: NodeEventRecord) => void) => (listeners.add(listener), () => void listeners.delete(listener)) }
  const events = new LibraryEvents(network as unknown as RunningNetwork, (promise) => promise)
  const loop = events[Symbol.asyncIterator]()
  const [first, second, third] = [loop.next(), loop.next(), loop.next()]
  for (const stage of ['keys', 'listening'] as const) for (const tell of listeners) tell({ atMs: 1, node: 'exit', event: { kind: 'stage', stage } })
  expect([await first, await second].map(({ value }) => (value as { stage: string }).stage)).toEqual(['keys', 'listening'])
  events.close()
  expect(await third).toEqual({ done: true, value: undefined })
  expect(listeners.size).toBe(0)
})
