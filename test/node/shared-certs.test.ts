/** CERTS cells that nodes of a process have seen before: the same answers as without a memory, at every time. */

import { describe, expect, test } from 'vitest'
import { days, durationMs, hours, later, wallFromSec, type WallMs } from '../../src/core/base/time.ts'
import { buildInitiatorCerts, buildResponderCerts, certsLiveTimes, validateInitiatorCerts, validateResponderCerts, type CertsEntry } from '../../src/core/cert/link-certs.ts'
import { sharedCertsChecks } from '../../src/node/shared-certs.ts'
import { ProcessMemory } from '../../src/testnet/backend/process-memory.ts'
import { testRelay } from '../support/relay-credentials.ts'

const now = wallFromSec(1_790_000_000)
const { credentials } = testRelay('shared certs', now)
const responder = buildResponderCerts(credentials)
const initiator = buildInitiatorCerts(credentials)
const tls = credentials.tls.certificateDer

const outcome = (check: () => unknown): unknown => {
  try {
    return check()
  } catch (error) {
    return (error as Error).message
  }
}

describe('CERTS checked once for a process', () => {
  const checks = sharedCertsChecks({ memory: new ProcessMemory() })
  if (checks === undefined) throw new Error('no checks')

  test('no memory, no sharing', () => {
    expect(sharedCertsChecks({})).toBeUndefined()
  })

  test('the second time gives what the first gave', () => {
    const first = checks.responder(responder, tls, now)
    const again = responder.map(({ type, body }): CertsEntry => ({ type, body: body.slice() }))
    expect(checks.responder(again, tls.slice(), now)).toBe(first)
    expect(first).toEqual(validateResponderCerts(responder, tls, now))
    expect(checks.initiator(initiator, now)).toEqual(validateInitiatorCerts(initiator, now))
  })

  test('whatever the clock says, the answer is that of a node alone', () => {
    const { from, until } = certsLiveTimes(responder)
    const times: WallMs[] = [from, later(from, durationMs(-1)), until, later(until, durationMs(1)), later(now, hours(1)), later(now, days(3)), later(now, days(500)), later(now, days(-100))]
    for (const at of times) {
      expect(outcome(() => checks.responder(responder, tls, at))).toEqual(outcome(() => validateResponderCerts(responder, tls, at)))
      expect(outcome(() => checks.initiator(initiator, at))).toEqual(outcome(() => validateInitiatorCerts(initiator, at)))
    }
    expect(outcome(() => validateResponderCerts(responder, tls, until))).toBeTypeOf('object')
    expect(outcome(() => validateResponderCerts(responder, tls, later(until, durationMs(1))))).toContain('expired')
  })

  test('one changed bit is another cell', () => {
    let refused = 0
    responder.forEach((entry, i) => {
      const body = entry.body.slice()
      body[body.length - 1] = (body.at(-1) as number) ^ 1
      const forged = responder.with(i, { ...entry, body })
      const alone = outcome(() => validateResponderCerts(forged, tls, now))
      expect(outcome(() => checks.responder(forged, tls, now))).toEqual(alone)
      refused += typeof alone === 'string' ? 1 : 0
    })
    // All but a certificate that nothing depends on.
    expect(refused).toBeGreaterThanOrEqual(3)
    expect(() => checks.responder(responder, Uint8Array.from([...tls, 0]), now)).toThrow('another TLS certificate')
  })
})
