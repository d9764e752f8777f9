/**
 * The messages inside an ntor-v3 handshake: extensions, each a type and a field (prop332 appendix A.2), and those we
 * know: the congestion-control request and response (prop324 §10.3).
 *
 *     count 1, then each: type 1 | length 1 | field
 *
 * SPEC-DIFF: prop332 has no count in front; C tor and the newer specification do.
 */

import { protocolError } from '../../base/errors.ts'
import { wireCodes, type WireCode } from '../../base/wire-code.ts'
import { Reader } from '../../bytes/reader.ts'
import { Writer } from '../../bytes/writer.ts'

export type CircuitExtensionType = WireCode<'CircuitExtensionType'>
export const CircuitExtensionType = wireCodes('CircuitExtensionType')({
  CONGESTION_CONTROL_REQUEST: 1,
  CONGESTION_CONTROL_RESPONSE: 2,
})

export interface CircuitExtension {
  readonly type: CircuitExtensionType
  /** At most 255 bytes. */
  readonly field: Uint8Array
}

/** In ascending order of type, as prop332 wants them sent. */
export function encodeCircuitExtensions(extensions: readonly CircuitExtension[]): Uint8Array {
  const writer = new Writer(16).u8(extensions.length)
  for (const extension of [...extensions].sort((a, b) => a.type - b.type)) {
    writer.u8(extension.type).sized(1, (inside) => inside.bytes(extension.field))
  }
  return writer.finish()
}

/** Throws `protocol` unless well-formed. prop332: of a type that comes more than once, only the first counts. */
export function decodeCircuitExtensions(message: Uint8Array): CircuitExtension[] {
  const reader = new Reader(message)
  const extensions: CircuitExtension[] = []
  for (let left = reader.u8('number of extensions'); left > 0; left--) {
    const type = reader.u8('extension type')
    const field = reader.take(reader.u8('extension length'), 'extension')
    if (!extensions.some((extension) => extension.type === type)) extensions.push({ type, field })
  }
  reader.finish('extensions')
  return extensions
}

/** What a client asks for when it makes or extends a circuit. */
export interface CircuitRequest {
  readonly congestionControl: boolean
}

/** What a relay grants. */
export interface CircuitResponse {
  /** Cells a SENDME acknowledges; present when congestion control was asked for and is granted (prop324 §10.3). */
  readonly sendmeIncrement: number | undefined
}

export const encodeCircuitRequest = (request: CircuitRequest): Uint8Array =>
  encodeCircuitExtensions(request.congestionControl ? [{ type: CircuitExtensionType.CONGESTION_CONTROL_REQUEST, field: new Uint8Array(0) }] : [])

/** Unknown extensions are ignored (prop324 §10.3). */
export function decodeCircuitRequest(message: Uint8Array): CircuitRequest {
  const extensions = decodeCircuitExtensions(message)
  return { congestionControl: extensions.some((extension) => extension.type === CircuitExtensionType.CONGESTION_CONTROL_REQUEST) }
}

export function encodeCircuitResponse(response: CircuitResponse): Uint8Array {
  const { sendmeIncrement } = response
  return encodeCircuitExtensions(
    sendmeIncrement === undefined ? [] : [{ type: CircuitExtensionType.CONGESTION_CONTROL_RESPONSE, field: Uint8Array.of(sendmeIncrement) }],
  )
}

/** Whether the response answers what was asked is for the client to check (prop324 §10.5). */
export function decodeCircuitResponse(message: Uint8Array): CircuitResponse {
  const found = decodeCircuitExtensions(message).find((extension) => extension.type === CircuitExtensionType.CONGESTION_CONTROL_RESPONSE)
  if (found === undefined) return { sendmeIncrement: undefined }
  if (found.field.length !== 1) throw protocolError('congestion control response is not one byte')
  return { sendmeIncrement: found.field[0] }
}
