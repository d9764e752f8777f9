/**
 * Cells and relay messages in words and numbers, for traces: what a person wants to see of a body. Never throws; what
 * does not decode is described as such. Keys and other random bytes are left out.
 */

import { base64EncodeUnpadded, hexEncodeUpper } from '../base/encoding.ts'
import { asRelishError } from '../base/errors.ts'
import { formatAddressPort } from '../ident/address.ts'
import type { LinkSpecifier } from '../ident/link-specifier.ts'
import { decodeCircuitPaddingNegotiate, decodeCircuitPaddingNegotiated, decodeCreate2, decodeDestroy, decodeExtend2, decodeSendme } from './circuit-messages.ts'
import { ChannelCommand, DestroyReason, EndReason, HandshakeType, RelayCommand } from './commands.ts'
import { decodeAuthChallenge, decodeAuthenticate, decodeCerts, decodeNetinfo, decodePaddingNegotiate, decodeVersions, LinkAuthMethod } from './link-messages.ts'
import { decodeBegin, decodeConnected, decodeEnd, decodeResolve, decodeResolved, decodeXon } from './stream-messages.ts'

/** Plain JSON. */
export type Description = { readonly [field: string]: unknown }

/** The body of a cell; undefined when its command says all, or is not known. */
export const describeCell = (command: ChannelCommand, body: Uint8Array): Description | undefined => orWhyNot(() => cellBody(command, body))

/** The data of a relay message; undefined when its command says all, or is not known. */
export const describeRelayMessage = (command: RelayCommand, data: Uint8Array): Description | undefined => orWhyNot(() => relayData(command, data))

function orWhyNot(describe: () => Description | undefined): Description | undefined {
  try {
    return describe()
  } catch (thrown) {
    return { malformed: asRelishError(thrown).message }
  }
}

function cellBody(command: ChannelCommand, body: Uint8Array): Description | undefined {
  switch (command) {
    case ChannelCommand.CREATE2:
      return { handshake: HandshakeType.nameOf(decodeCreate2(body).handshakeType) }
    case ChannelCommand.DESTROY:
      return { reason: DestroyReason.nameOf(decodeDestroy(body).reason) }
    case ChannelCommand.VERSIONS:
      return { versions: decodeVersions(body) }
    case ChannelCommand.NETINFO: {
      const { timestampSec, otherAddress, myAddresses } = decodeNetinfo(body)
      return { timestampSec, otherAddress, myAddresses }
    }
    case ChannelCommand.CERTS:
      return { certificates: decodeCerts(body).map((entry) => entry.type) }
    case ChannelCommand.AUTH_CHALLENGE:
      return { methods: decodeAuthChallenge(body).methods.map((method) => LinkAuthMethod.nameOf(method)) }
    case ChannelCommand.AUTHENTICATE:
      return { method: LinkAuthMethod.nameOf(decodeAuthenticate(body).method) }
    case ChannelCommand.PADDING_NEGOTIATE:
      return { ...decodePaddingNegotiate(body) }
    default:
      return undefined
  }
}

function relayData(command: RelayCommand, data: Uint8Array): Description | undefined {
  switch (command) {
    case RelayCommand.EXTEND2: {
      const { linkSpecifiers, handshakeType } = decodeExtend2(data)
      return { handshake: HandshakeType.nameOf(handshakeType), to: Object.assign({}, ...linkSpecifiers.map(specifierField)) as Description }
    }
    case RelayCommand.TRUNCATE:
    case RelayCommand.TRUNCATED:
      return { reason: DestroyReason.nameOf(decodeDestroy(data).reason) }
    case RelayCommand.SENDME:
      return { version: decodeSendme(data).version }
    case RelayCommand.BEGIN: {
      const { host, port, flags } = decodeBegin(data)
      return { target: formatAddressPort({ host, port }), flags }
    }
    case RelayCommand.CONNECTED:
      return data.length === 0 ? undefined : { ...decodeConnected(data) }
    case RelayCommand.END: {
      const { reason, ...rest } = decodeEnd(data)
      return { reason: EndReason.nameOf(reason), ...rest }
    }
    case RelayCommand.RESOLVE:
      return { ...decodeResolve(data) }
    case RelayCommand.RESOLVED:
      return { ...decodeResolved(data) }
    case RelayCommand.XON:
      return { ...decodeXon(data) }
    case RelayCommand.PADDING_NEGOTIATE:
      return { ...decodeCircuitPaddingNegotiate(data) }
    case RelayCommand.PADDING_NEGOTIATED:
      return { ...decodeCircuitPaddingNegotiated(data) }
    default:
      return undefined
  }
}

function specifierField(specifier: LinkSpecifier): Description {
  switch (specifier.kind) {
    case 'address':
      return { [specifier.address.host.includes(':') ? 'ipv6' : 'ipv4']: formatAddressPort(specifier.address) }
    case 'legacy-identity':
      return { fingerprint: hexEncodeUpper(specifier.identity) }
    case 'ed25519-identity':
      return { ed25519: base64EncodeUnpadded(specifier.identity) }
    case 'unknown':
      return { [`type${specifier.type}`]: hexEncodeUpper(specifier.body) }
  }
}
