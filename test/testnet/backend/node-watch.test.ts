import { expect, test } from 'vitest'
import { NodeWatch } from '../../../src/testnet/backend/node-watch.ts'

test('a node holds no newer consensus than the older of its flavours', () => {
  const watch = new NodeWatch('exit1', () => 0)
  watch.started(1)
  const told = (flavour: 'ns' | 'microdesc', validAfter: number): number | undefined => {
    watch.handle({ kind: 'consensus', flavour, validAfter, digest: '', relays: 8, signatures: 3 })
    return watch.status().consensus?.validAfter
  }
  expect(told('microdesc', 1000)).toBe(1000)
  expect(told('ns', 1000)).toBe(1000)
  expect(told('ns', 2000)).toBe(1000)
  expect(watch.status().consensus?.flavour).toBe('microdesc')
  expect(told('microdesc', 2000)).toBe(2000)
  watch.started(2)
  expect(watch.status().consensus).toBeUndefined()
})
