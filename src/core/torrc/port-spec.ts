/**
 * The values of `ORPort`, `DirPort`, `SocksPort`, `ControlPort` and their kin: where to listen, and flags. One line may
 * stand for two listeners (`ORPort 9001` means all IPv4 and all IPv6 addresses). Nothing is bound here. tor(1).
 */

import { canonicalIp, isIpv4, isIpv6, parseIp } from '../ident/address.ts'
import { configError, type ConfigLine } from './config-line.ts'

export type PortUse = 'or' | 'dir' | 'ext-or' | 'socks' | 'dns' | 'http-tunnel' | 'trans' | 'natd' | 'control' | 'metrics'

/** Which streams of one listener may not share a circuit. */
export interface IsolationFlags {
  readonly clientAddr: boolean
  readonly socksAuth: boolean
  readonly clientProtocol: boolean
  readonly destPort: boolean
  readonly destAddr: boolean
  /** Circuits with SOCKS authentication live on while they are used. */
  readonly keepAliveSocksAuth: boolean
  /** Listeners of one group may share circuits; a listener without a group is one of its own. */
  readonly sessionGroup: number | undefined
}

export interface StreamFlags {
  readonly isolation: IsolationFlags
  readonly ipv4Traffic: boolean
  readonly ipv6Traffic: boolean
  readonly onionTraffic: boolean
  readonly dnsRequest: boolean
  readonly preferIpv6: boolean
  readonly cacheIpv4Dns: boolean
  readonly cacheIpv6Dns: boolean
  readonly useIpv4Cache: boolean
  readonly useIpv6Cache: boolean
  readonly preferIpv6Automap: boolean
  readonly preferSocksNoAuth: boolean
  /** Onion-service failures are told in SOCKS replies 0xF0 and up (prop304). */
  readonly extendedErrors: boolean
}

export interface PortSpec {
  /** Canonical IP address; undefined for a Unix socket. */
  readonly host: string | undefined
  /** Path of a Unix socket. */
  readonly unixPath: string | undefined
  /** 0 for a Unix socket, and for `auto`. */
  readonly port: number
  /** The operating system chooses the port. */
  readonly auto: boolean
  /** False when the line gave only a port. A listener on an implied address may fail where the host lacks that address family. */
  readonly hostIsExplicit: boolean
  /** Server ports: advertised but not bound. */
  readonly noListen: boolean
  /** Server ports: bound but not advertised. */
  readonly noAdvertise: boolean
  readonly groupWritable: boolean
  readonly worldWritable: boolean
  readonly streams: StreamFlags
}

interface PortKind {
  /** Addresses a bare port number stands for. */
  readonly hosts: readonly string[]
  readonly flags: 'server' | 'streams' | 'unix-only'
  readonly unix: boolean
}

const portKinds: Readonly<Record<PortUse, PortKind>> = {
  or: { hosts: ['0.0.0.0', '::'], flags: 'server', unix: false },
  dir: { hosts: ['0.0.0.0', '::'], flags: 'server', unix: false },
  'ext-or': { hosts: ['127.0.0.1'], flags: 'server', unix: true },
  socks: { hosts: ['127.0.0.1'], flags: 'streams', unix: true },
  dns: { hosts: ['127.0.0.1'], flags: 'streams', unix: false },
  'http-tunnel': { hosts: ['127.0.0.1'], flags: 'streams', unix: true },
  trans: { hosts: ['127.0.0.1'], flags: 'streams', unix: false },
  natd: { hosts: ['127.0.0.1'], flags: 'streams', unix: false },
  control: { hosts: ['127.0.0.1'], flags: 'unix-only', unix: true },
  metrics: { hosts: ['127.0.0.1'], flags: 'unix-only', unix: false },
}

/** tor(1), "SocksPort": IsolateClientAddr and IsolateSOCKSAuth are on unless turned off. */
const defaultStreamFlags: StreamFlags = Object.freeze({
  isolation: Object.freeze({
    clientAddr: true,
    socksAuth: true,
    clientProtocol: false,
    destPort: false,
    destAddr: false,
    keepAliveSocksAuth: false,
    sessionGroup: undefined,
  }),
  ipv4Traffic: true,
  ipv6Traffic: true,
  onionTraffic: true,
  dnsRequest: true,
  preferIpv6: false,
  cacheIpv4Dns: false,
  cacheIpv6Dns: false,
  useIpv4Cache: false,
  useIpv6Cache: false,
  preferIpv6Automap: true,
  preferSocksNoAuth: false,
  extendedErrors: false,
})

/** The listeners that all lines of one port option ask for; a port of 0 means none. Throws `config`. */
export function parsePortLines(lines: readonly ConfigLine[], use: PortUse): PortSpec[] {
  const specs: PortSpec[] = []
  for (const line of lines) specs.push(...parsePortLine(line, use))
  const zero = lines.find((line) => line.value.split(/\s/, 1)[0] === '0')
  if (zero !== undefined && specs.length > 0) {
    throw configError(`${zero.keyword} 0 beside other ${zero.keyword} lines`, zero.position, 'remove the one that is not meant')
  }
  return withoutShadowed(specs)
}

/** An explicit address replaces the implied listener of the same family and port. */
function withoutShadowed(specs: readonly PortSpec[]): PortSpec[] {
  return specs.filter((spec, index) => {
    if (spec.hostIsExplicit || spec.host === undefined) return true
    const ipv6 = isIpv6(spec.host)
    return !specs.some((other, at) => {
      if (at === index || other.host === undefined || other.port !== spec.port || other.auto !== spec.auto) return false
      return isIpv6(other.host) === ipv6 && (other.hostIsExplicit || at < index) && !spec.auto
    })
  })
}

function parsePortLine(line: ConfigLine, use: PortUse): PortSpec[] {
  const kind = portKinds[use]
  const { where, flags } = splitTarget(line)
  const parsed = parseFlags(flags, kind, use, line)
  const base = {
    noListen: parsed.noListen,
    noAdvertise: parsed.noAdvertise,
    groupWritable: parsed.groupWritable,
    worldWritable: parsed.worldWritable,
    streams: parsed.streams,
  }
  const unixPath = where.startsWith('unix:') ? where.slice(5).replace(/^"(.*)"$/, '$1') : undefined
  if (unixPath !== undefined) {
    if (!kind.unix) throw configError(`${line.keyword} does not take Unix sockets`, line.position)
    if (unixPath === '') throw configError(`${line.keyword} names no Unix socket path`, line.position)
    const streams = { ...base.streams, isolation: { ...base.streams.isolation, clientAddr: false } }
    return [{ ...base, streams, host: undefined, unixPath, port: 0, auto: false, hostIsExplicit: true }]
  }
  if (parsed.unixOnlyFlag !== undefined) {
    throw configError(`${parsed.unixOnlyFlag} is for Unix sockets only`, line.position)
  }
  return parseTcpTarget(where, kind, line)
    .filter((target) => target.port !== 0 || target.auto)
    .filter((target) => familyFits(target.host, target.hostIsExplicit, parsed, line))
    .map((target) => ({ ...base, ...target, unixPath: undefined }))
}

/** The first word, which may be `unix:"path with spaces"`, and the words after it. */
function splitTarget(line: ConfigLine): { where: string; flags: string[] } {
  const match = /^(unix:"(?:[^"\\]|\\.)*"|\S+)(?:\s+(.*))?$/.exec(line.value)
  if (match === null) throw configError(`${line.keyword} needs a port, an address with a port, or "auto"`, line.position)
  return { where: match[1] ?? '', flags: (match[2] ?? '').split(/\s+/).filter((word) => word !== '') }
}

interface TcpTarget {
  readonly host: string
  readonly port: number
  readonly auto: boolean
  readonly hostIsExplicit: boolean
}

function parseTcpTarget(where: string, kind: PortKind, line: ConfigLine): TcpTarget[] {
  const implied = (port: number, auto: boolean): TcpTarget[] =>
    kind.hosts.map((host) => ({ host, port, auto, hostIsExplicit: false }))
  if (where.toLowerCase() === 'auto') return implied(0, true)
  if (/^\d+$/.test(where)) return implied(portNumber(where, line), false)
  const match = /^(\[[^\]]*\]|[^:]+):(auto|\d+)$/i.exec(where)
  const host = match === null ? undefined : match[1] === '*' ? '0.0.0.0' : canonicalIp(match[1] ?? '')
  if (match === null || host === undefined) {
    const bare = parseIp(where) !== undefined
    const hint = bare ? 'add a port after the address' : 'addresses are numeric; IPv6 ones stand in brackets, as in [::1]:9001'
    throw configError(`${line.keyword}: cannot read "${where}" as [address:]port`, line.position, hint)
  }
  const auto = match[2]?.toLowerCase() === 'auto'
  const port = auto ? 0 : portNumber(match[2] ?? '', line)
  if (!auto && port === 0) throw configError(`${line.keyword}: an address with port 0`, line.position, `"${line.keyword} 0" alone turns it off`)
  return [{ host, port, auto, hostIsExplicit: true }]
}

function portNumber(text: string, line: ConfigLine): number {
  const port = Number(text)
  if (port > 65535) throw configError(`${line.keyword}: ports go up to 65535, not ${text}`, line.position)
  return port
}

function familyFits(host: string, explicit: boolean, flags: ParsedFlags, line: ConfigLine): boolean {
  const fits = !(flags.ipv4Only && !isIpv4(host)) && !(flags.ipv6Only && !isIpv6(host))
  if (!fits && explicit) {
    throw configError(`${line.keyword}: ${host} contradicts ${flags.ipv4Only ? 'IPv4Only' : 'IPv6Only'}`, line.position)
  }
  return fits
}

interface ParsedFlags {
  noListen: boolean
  noAdvertise: boolean
  ipv4Only: boolean
  ipv6Only: boolean
  groupWritable: boolean
  worldWritable: boolean
  unixOnlyFlag: string | undefined
  streams: StreamFlags
}

function parseFlags(words: readonly string[], kind: PortKind, use: PortUse, line: ConfigLine): ParsedFlags {
  const flags: ParsedFlags = {
    noListen: false,
    noAdvertise: false,
    ipv4Only: false,
    ipv6Only: false,
    groupWritable: false,
    worldWritable: false,
    unixOnlyFlag: undefined,
    streams: defaultStreamFlags,
  }
  for (const word of words) {
    const known = kind.flags === 'server' ? serverFlag(flags, word) : unixFlag(flags, word) || (kind.flags === 'streams' && streamFlag(flags, word, line))
    // SPEC-DIFF: C tor warns about unknown flags and goes on; a silent typo in a test network costs an afternoon.
    if (!known) throw configError(`unknown ${line.keyword} flag "${word}"`, line.position)
  }
  checkFlags(flags, kind, use, line)
  return flags
}

function checkFlags(flags: ParsedFlags, kind: PortKind, use: PortUse, line: ConfigLine): void {
  const refuse = (why: string): never => {
    throw configError(`${line.keyword}: ${why}`, line.position)
  }
  if (flags.noListen && flags.noAdvertise) refuse('NoListen and NoAdvertise together leave nothing')
  if (flags.ipv4Only && flags.ipv6Only) refuse('IPv4Only and IPv6Only together leave nothing')
  if (kind.flags !== 'streams') return
  const { streams } = flags
  if (use === 'dns' && !streams.dnsRequest) refuse('a DNS listener with NoDNSRequest answers nothing')
  if (use !== 'dns' && !streams.ipv4Traffic && !streams.ipv6Traffic && !streams.onionTraffic) {
    refuse('IPv4, IPv6 and onion-service traffic are all refused')
  }
  if (use !== 'dns' && streams.dnsRequest && !streams.ipv4Traffic && !streams.ipv6Traffic) {
    refuse('DNSRequest without IPv4 and IPv6 traffic cannot work')
  }
  if (streams.isolation.keepAliveSocksAuth && !streams.isolation.socksAuth) {
    refuse('KeepAliveIsolateSOCKSAuth needs IsolateSOCKSAuth')
  }
  // Without isolation by credentials there is no use in asking for them.
  if (!streams.isolation.socksAuth) flags.streams = { ...streams, preferSocksNoAuth: true }
}

function serverFlag(flags: ParsedFlags, word: string): boolean {
  switch (word.toLowerCase()) {
    case 'nolisten':
      flags.noListen = true
      return true
    case 'noadvertise':
      flags.noAdvertise = true
      return true
    case 'ipv4only':
      flags.ipv4Only = true
      return true
    case 'ipv6only':
      flags.ipv6Only = true
      return true
    default:
      return false
  }
}

const splitNo = (word: string): { on: boolean; name: string } => {
  const name = word.toLowerCase()
  return name.startsWith('no') ? { on: false, name: name.slice(2) } : { on: true, name }
}

function unixFlag(flags: ParsedFlags, word: string): boolean {
  const { on, name } = splitNo(word)
  if (name === 'groupwritable') flags.groupWritable = on
  else if (name === 'worldwritable') flags.worldWritable = on
  else if (name !== 'relaxdirmodecheck') return false
  flags.unixOnlyFlag = word
  return true
}

const streamFlagNames: Readonly<Record<string, readonly (keyof StreamFlags)[]>> = {
  ipv4traffic: ['ipv4Traffic'],
  ipv6traffic: ['ipv6Traffic'],
  oniontraffic: ['onionTraffic'],
  dnsrequest: ['dnsRequest'],
  preferipv6: ['preferIpv6'],
  cacheipv4dns: ['cacheIpv4Dns'],
  cacheipv6dns: ['cacheIpv6Dns'],
  cachedns: ['cacheIpv4Dns', 'cacheIpv6Dns'],
  useipv4cache: ['useIpv4Cache'],
  useipv6cache: ['useIpv6Cache'],
  usednscache: ['useIpv4Cache', 'useIpv6Cache'],
  preferipv6automap: ['preferIpv6Automap'],
  prefersocksnoauth: ['preferSocksNoAuth'],
  extendederrors: ['extendedErrors'],
}

const isolationFlagNames: Readonly<Record<string, keyof IsolationFlags>> = {
  isolateclientaddr: 'clientAddr',
  isolatesocksauth: 'socksAuth',
  isolateclientprotocol: 'clientProtocol',
  isolatedestport: 'destPort',
  isolatedestaddr: 'destAddr',
  keepaliveisolatesocksauth: 'keepAliveSocksAuth',
}

function streamFlag(flags: ParsedFlags, word: string, line: ConfigLine): boolean {
  const setIsolation = (change: Partial<IsolationFlags>): void => {
    flags.streams = { ...flags.streams, isolation: { ...flags.streams.isolation, ...change } }
  }
  const group = /^SessionGroup=(.*)$/i.exec(word)
  if (group !== null) {
    const value = /^\d{1,10}$/.test(group[1] ?? '') ? Number(group[1]) : NaN
    if (!(value <= 0x7fff_ffff)) throw configError(`SessionGroup is a number from 0 to 2147483647, not "${group[1] ?? ''}"`, line.position)
    if (flags.streams.isolation.sessionGroup !== undefined) throw configError('SessionGroup given twice', line.position)
    setIsolation({ sessionGroup: value })
    return true
  }
  const { on, name } = splitNo(word)
  if (name === 'oniontrafficonly' && on) {
    flags.streams = { ...flags.streams, ipv4Traffic: false, ipv6Traffic: false, dnsRequest: false }
    return true
  }
  const fields = streamFlagNames[name]
  if (fields !== undefined) {
    flags.streams = { ...flags.streams, ...Object.fromEntries(fields.map((field) => [field, on])) }
    return true
  }
  // C tor takes the plural of isolation flags too.
  const isolation = isolationFlagNames[name] ?? isolationFlagNames[name.replace(/s$/, '')]
  if (isolation === undefined) return false
  setIsolation({ [isolation]: on })
  return true
}
