import { expect, test } from 'vitest'
import { must } from '../../../../src/core/base/assert.ts'
import { decodeCircuitPaddingNegotiated, encodeCircuitPaddingNegotiate } from '../../../../src/core/cell/circuit-messages.ts'
import { answerCircuitPadding } from '../../../../src/core/proto/circuit/circuit-padding.ts'

const asked = (command: 'start' | 'stop'): Uint8Array => encodeCircuitPaddingNegotiate({ command, machineType: 1, echoRequest: false, machineCounter: 7 })

test('a padding machine is refused, stopping one needs no answer, nonsense neither', () => {
  const answer = must(answerCircuitPadding(asked('start')), 'a request is answered')
  expect(decodeCircuitPaddingNegotiated(answer)).toEqual({ command: 'start', accepted: false, machineType: 1, machineCounter: 7 })
  expect(answerCircuitPadding(asked('stop'))).toBeUndefined()
  expect(answerCircuitPadding(asked('start').subarray(1))).toBeUndefined()
})
