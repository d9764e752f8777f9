/**
 * Circuit padding as a relay without padding machines answers it (padding-spec §3): a machine that is asked for is refused,
 * so that the client does not wait for it. Links are padded by `proto/channel/link-padding.ts`.
 */

import { asRelishError } from '../../base/errors.ts'
import { decodeCircuitPaddingNegotiate, encodeCircuitPaddingNegotiated } from '../../cell/circuit-messages.ts'

/** The body of the PADDING_NEGOTIATED to answer with; undefined when there is nothing to say. */
export function answerCircuitPadding(data: Uint8Array): Uint8Array | undefined {
  try {
    const { command, machineType, machineCounter } = decodeCircuitPaddingNegotiate(data)
    // To stop what does not run needs no answer: nobody at the other end would know what to do with it (as C tor).
    if (command === 'stop') return undefined
    return encodeCircuitPaddingNegotiated({ command, accepted: false, machineType, machineCounter })
  } catch (thrown) {
    const error = asRelishError(thrown)
    // C tor drops a malformed request and keeps the circuit.
    if (error.kind === 'protocol') return undefined
    throw error
  }
}
