/** What one end of a circuit asks the other for when it opens a stream: BEGIN, BEGIN_DIR and RESOLVE. tor-spec §6.2, §6.4. */

import { RelayCommand } from '../../cell/commands.ts'
import type { RelayMessage } from '../../cell/relay-cell.ts'
import { decodeBegin, decodeResolve, type Begin } from '../../cell/stream-messages.ts'
import { formatAddressPort } from '../../ident/address.ts'

export type StreamRequest =
  | ({ readonly kind: 'connect' } & Begin)
  | { readonly kind: 'directory' }
  | { readonly kind: 'resolve'; readonly name: string }

/** Of a message with one of the three commands. Throws `protocol`. */
export function decodeRequest(message: RelayMessage): StreamRequest {
  switch (message.command) {
    case RelayCommand.BEGIN_DIR:
      // tor-spec §6.2.1: the content is ignored.
      return { kind: 'directory' }
    case RelayCommand.RESOLVE:
      return { kind: 'resolve', ...decodeResolve(message.data) }
    default:
      return { kind: 'connect', ...decodeBegin(message.data) }
  }
}

/** In words: `host:port`, `dir`, or the name to resolve. */
export function requestTarget(request: StreamRequest): string {
  switch (request.kind) {
    case 'connect':
      return formatAddressPort(request)
    case 'directory':
      return 'dir'
    case 'resolve':
      return request.name
  }
}
