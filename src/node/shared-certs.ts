/**
 * Checking the CERTS cells of links once for all nodes of a process: the same few relays show theirs again and again. What
 * they prove follows from them alone, for as long as they are live; whose clock says something else checks for itself.
 */

import { latin1Decode } from '../core/base/encoding.ts'
import type { WallMs } from '../core/base/time.ts'
import { certsLiveTimes, validateInitiatorCerts, validateResponderCerts, type CertsChecks, type CertsEntry } from '../core/cert/link-certs.ts'
import type { Runtime, WorkMemory } from '../runtime/index.ts'

/** Undefined where there are no other nodes. */
export function sharedCertsChecks({ memory }: Pick<Runtime, 'memory'>): CertsChecks | undefined {
  if (memory === undefined) return undefined
  return {
    responder: (entries, tlsCertificate, now) =>
      whileLive(memory, 'CERTS of a responder', `${tlsCertificate.length} ${latin1Decode(tlsCertificate)} ${textOf(entries)}`, entries, now, () => validateResponderCerts(entries, tlsCertificate, now)),
    initiator: (entries, now) => whileLive(memory, 'CERTS of an initiator', textOf(entries), entries, now, () => validateInitiatorCerts(entries, now)),
  }
}

function whileLive<T>(memory: WorkMemory, kind: string, key: string, entries: readonly CertsEntry[], now: WallMs, check: () => T): T {
  const known = memory.remember(kind, key, () => ({ result: check(), ...certsLiveTimes(entries) }))
  return known.from <= now && now <= known.until ? known.result : check()
}

const textOf = (entries: readonly CertsEntry[]): string => entries.map(({ type, body }) => `${type} ${body.length} ${latin1Decode(body)}`).join(' ')
