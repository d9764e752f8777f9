/** Which circuit ids each side of a channel may choose (tor-spec §5.1.1, link protocol 4 and higher). */

import type { Rng } from '../../base/rng.ts'
import { CIRCUIT_ID_ATTEMPTS_MAX } from './limits.ts'

const MSB = 0x8000_0000

/** A fresh id of ours, at random; undefined when the channel is too full to find one. */
export function chooseCircuitId(rng: Rng, initiator: boolean, isUsed: (id: number) => boolean): number | undefined {
  for (let attempt = 0; attempt < CIRCUIT_ID_ATTEMPTS_MAX; attempt++) {
    const [a, b, c, d] = rng.bytes(4) as unknown as [number, number, number, number]
    const low = ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d
    // tor-spec §5.1.1: the initiator sets the most significant bit, the responder does not; 0 is reserved.
    const id = initiator ? low + MSB : low
    if (id !== 0 && !isUsed(id)) return id
  }
  return undefined
}

/** Whether the peer was free to choose `id` for a circuit it creates. */
export const isPeersCircuitId = (id: number, weAreInitiator: boolean): boolean => id !== 0 && id >= MSB !== weAreInitiator
