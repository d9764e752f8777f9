import { expect, test } from 'vitest'
import { EndReason } from '../../src/core/cell/commands.ts'
import { SocksStatus } from '../../src/core/socks/message.ts'
import { LocalReason, socksStatusFor } from '../../src/node/end-reasons.ts'

test('an application is told why its stream ended, as C tor tells it', () => {
  expect(socksStatusFor(EndReason.EXITPOLICY)).toBe(SocksStatus.NOT_ALLOWED)
  expect(socksStatusFor(EndReason.CONNECTREFUSED)).toBe(SocksStatus.CONNECTION_REFUSED)
  expect(socksStatusFor(EndReason.DONE)).toBe(SocksStatus.CONNECTION_REFUSED)
  expect(socksStatusFor(EndReason.TIMEOUT)).toBe(SocksStatus.TTL_EXPIRED)
  expect(socksStatusFor(LocalReason.ENTRYPOLICY)).toBe(SocksStatus.NOT_ALLOWED)
  expect(socksStatusFor(200)).toBe(SocksStatus.GENERAL_FAILURE)
})
