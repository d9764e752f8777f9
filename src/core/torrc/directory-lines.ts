/** The values of `DirAuthority`, `FallbackDir` and `Bridge`: who is trusted for the directory and where they are. tor(1). */

import { parseAddressPort, parsePort, type AddressPort, isIpv4, isIpv6, parseIp, formatIp } from '../ident/address.ts'
import { isNickname, parseFingerprint } from '../ident/fingerprint.ts'
import { configError, type ConfigLine } from './config-line.ts'

export interface DirAuthorityLine {
  readonly nickname: string | undefined
  /** The directory port. */
  readonly dirAddress: AddressPort
  /** On the same address; undefined without `orport=`. */
  readonly orPort: number | undefined
  readonly ipv6OrAddress: AddressPort | undefined
  /** Relay identity, 20 bytes. */
  readonly rsaIdentity: Uint8Array
  /** SHA-1 of the authority identity key, 20 bytes; undefined for an authority that does not vote. */
  readonly v3Identity: Uint8Array | undefined
  readonly bridge: boolean
  readonly weight: number
  /** Where to go instead of `dirAddress` for one purpose. */
  readonly uploadAddress: AddressPort | undefined
  readonly downloadAddress: AddressPort | undefined
  readonly voteAddress: AddressPort | undefined
}

const words = (line: ConfigLine): string[] => line.value.split(/\s+/).filter((word) => word !== '')

/** `[nickname] [flags] address:dirport fingerprint`. Throws `config`. */
export function parseDirAuthorityLine(line: ConfigLine): DirAuthorityLine {
  const items = words(line)
  const refuse = (why: string, hint?: string): never => {
    throw configError(`${line.keyword}: ${why}`, line.position, hint)
  }
  const shape = 'the form is: [nickname] [orport=PORT] [v3ident=FINGERPRINT] [flags] ADDRESS:DIRPORT FINGERPRINT'
  let nickname: string | undefined
  if (items[0] !== undefined && isNickname(items[0])) nickname = items.shift()
  let orPort: number | undefined
  let v3Identity: Uint8Array | undefined
  let ipv6OrAddress: AddressPort | undefined
  let bridge = false
  let weight = 1
  const purposes: { upload?: AddressPort; download?: AddressPort; vote?: AddressPort } = {}
  while (items[0] !== undefined && !/^\d/.test(items[0])) {
    const item = items.shift() ?? ''
    const [name, ...rest] = item.split('=')
    const value = rest.join('=')
    switch ((name ?? '').toLowerCase()) {
      case 'orport':
        orPort = parsePort(value) ?? refuse(`orport is a port, not "${value}"`)
        break
      case 'v3ident':
        v3Identity = parseFingerprint(value) ?? refuse(`v3ident is forty hexadecimal digits, not "${value}"`)
        break
      case 'ipv6':
        ipv6OrAddress = parseAddressPort(value) ?? refuse(`ipv6 is [address]:port, not "${value}"`)
        if (!isIpv6(ipv6OrAddress.host)) refuse(`ipv6 is [address]:port, not "${value}"`)
        break
      case 'weight':
        weight = /^\d*\.?\d+$/.test(value) ? Number(value) : refuse(`weight is a number, not "${value}"`)
        break
      case 'bridge':
        bridge = true
        break
      case 'upload':
      case 'download':
      case 'vote':
        purposes[(name ?? '').toLowerCase() as 'upload'] = parseDirectoryUrl(value) ?? refuse(`${name} is http://ADDRESS:PORT/, not "${value}"`)
        break
      case 'hs':
      case 'no-hs':
      case 'no-v2':
      case 'v3': // Obsolete; still written by tools.
        break
      default:
        refuse(`unknown flag "${item}"`, shape)
    }
  }
  const dirAddress = parseAddressPort(items.shift() ?? '')
  if (dirAddress === undefined || !isIpv4(dirAddress.host)) return refuse('an IPv4 address with a directory port is missing', shape)
  const rsaIdentity = parseFingerprint(items.join(''))
  if (rsaIdentity === undefined) return refuse('the fingerprint of forty hexadecimal digits is missing', shape)
  return {
    nickname,
    dirAddress,
    orPort,
    ipv6OrAddress,
    rsaIdentity,
    v3Identity,
    bridge,
    weight,
    uploadAddress: purposes.upload,
    downloadAddress: purposes.download,
    voteAddress: purposes.vote,
  }
}

function parseDirectoryUrl(text: string): AddressPort | undefined {
  const match = /^http:\/\/([^/]+)\/?$/.exec(text)
  return match === null ? undefined : parseAddressPort(match[1] ?? '')
}

export interface FallbackDirLine {
  readonly dirAddress: { readonly host: string; readonly port: number }
  readonly orPort: number
  readonly ipv6OrAddress: AddressPort | undefined
  readonly rsaIdentity: Uint8Array
  readonly weight: number
}

/** `address:dirport orport=PORT id=FINGERPRINT [ipv6=…] [weight=…]`; the directory port may be 0. Throws `config`. */
export function parseFallbackDirLine(line: ConfigLine): FallbackDirLine {
  const refuse = (why: string): never => {
    throw configError(`${line.keyword}: ${why}`, line.position, 'the form is: ADDRESS[:DIRPORT] orport=PORT id=FINGERPRINT [ipv6=[ADDRESS]:PORT] [weight=NUMBER]')
  }
  let orPort: number | undefined
  let rsaIdentity: Uint8Array | undefined
  let ipv6OrAddress: AddressPort | undefined
  let weight = 1
  const positional: string[] = []
  for (const item of words(line)) {
    const equals = item.indexOf('=')
    const value = item.slice(equals + 1)
    if (equals < 0) positional.push(item)
    else if (item.startsWith('orport=')) orPort = parsePort(value) ?? refuse(`orport is a port, not "${value}"`)
    else if (item.startsWith('id=')) rsaIdentity = parseFingerprint(value) ?? refuse(`id is forty hexadecimal digits, not "${value}"`)
    else if (item.startsWith('ipv6=')) ipv6OrAddress = parseAddressPort(value) ?? refuse(`ipv6 is [address]:port, not "${value}"`)
    else if (item.startsWith('weight=')) weight = /^\d*\.?\d+$/.test(value) ? Number(value) : refuse(`weight is a number, not "${value}"`)
    else refuse(`unknown flag "${item}"`)
  }
  const where = positional[0]
  if (where === undefined || positional.length > 1) return refuse('one address is expected')
  if (rsaIdentity === undefined) return refuse('id= is missing')
  if (orPort === undefined) return refuse('orport= is missing')
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(where)
  const host = parseIp(match?.[1] ?? '')
  const port = match?.[2] === undefined ? 0 : parsePort(match[2], true)
  if (host === undefined || port === undefined) return refuse(`cannot read "${where}" as an address`)
  return { dirAddress: { host: formatIp(host), port }, orPort, ipv6OrAddress, rsaIdentity, weight }
}

export interface BridgeLine {
  readonly address: AddressPort
  /** 20 bytes; undefined when the line names none. */
  readonly rsaIdentity: Uint8Array | undefined
  readonly transport: string | undefined
  /** `key=value` pairs for the transport. */
  readonly transportArguments: readonly string[]
}

/** `[transport] address[:port] [fingerprint] [key=value …]`; the port is 443 unless given. Throws `config`. */
export function parseBridgeLine(line: ConfigLine): BridgeLine {
  const items = words(line)
  const refuse = (why: string): never => {
    throw configError(`${line.keyword}: ${why}`, line.position, 'the form is: [TRANSPORT] ADDRESS:PORT [FINGERPRINT] [KEY=VALUE…]')
  }
  const transport = items[0] !== undefined && /^[A-Za-z_]\w*$/.test(items[0]) ? items.shift() : undefined
  const where = items.shift() ?? refuse('an address is missing')
  const bare = parseIp(where)
  const address = bare === undefined ? parseAddressPort(where) : { host: formatIp(bare), port: 443 }
  if (address === undefined) return refuse(`cannot read "${where}" as an address with a port`)
  let fingerprint: string | undefined
  if (transport === undefined) fingerprint = items.length > 0 ? items.splice(0).join('') : undefined
  else if (items[0] !== undefined && !items[0].includes('=')) fingerprint = items.shift()
  const rsaIdentity = fingerprint === undefined ? undefined : (parseFingerprint(fingerprint) ?? refuse('the fingerprint has forty hexadecimal digits'))
  for (const item of items) if (!/^[^=]+=/.test(item)) refuse(`"${item}" is not KEY=VALUE`)
  return { address, rsaIdentity, transport, transportArguments: items }
}
