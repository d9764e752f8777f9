/**
 * Names and addresses through node:dns (c-ares), with times to live. The hosts file comes first, as everywhere; with a
 * resolv.conf of its own (`ServerDNSResolvConfFile`), a node asks the servers named there and nobody else.
 */

import { Resolver as DnsResolver } from 'node:dns'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { RelishError } from '../core/base/errors.ts'
import type { ResolveResult, Resolver } from '../runtime/index.ts'
import { hostLimits } from './limits.ts'
import { systemErrorCode } from './socket-errors.ts'

const hostsFile = '/etc/hosts'

export class HostResolver implements Resolver {
  readonly #guard: (work: () => void) => void
  readonly #makeDns: () => DnsResolver
  #dns: DnsResolver | undefined
  /** Whether the system's hosts file counts. */
  readonly #useHosts: boolean
  #asking = 0

  /** Throws `config` for a resolv.conf file that is absent or names no server. */
  constructor(guard: (work: () => void) => void, resolvConfFile: string | undefined, localHosts: { readonly ipv4?: string; readonly ipv6?: string } = {}) {
    this.#guard = guard
    this.#useHosts = resolvConfFile === undefined
    const servers = resolvConfFile === undefined ? undefined : serversOf(resolvConfFile)
    this.#makeDns = () => {
      const dns = new DnsResolver({ timeout: hostLimits.resolverTimeoutMs, tries: hostLimits.resolverTries })
      if (servers !== undefined) dns.setServers(servers)
      if (localHosts.ipv4 !== undefined || localHosts.ipv6 !== undefined) dns.setLocalAddress(localHosts.ipv4 ?? '0.0.0.0', localHosts.ipv6 ?? '::0')
      return dns
    }
  }

  resolve(name: string, onResult: (result: ResolveResult) => void): void {
    const known = this.#useHosts ? lookupHosts(readSmallFile(hostsFile) ?? '', name) : []
    if (known.length > 0) {
      this.#answerLater(onResult, { kind: 'addresses', addresses: known, ttlSec: hostLimits.resolverHostsTtlSec })
      return
    }
    if (!this.#mayAsk(onResult)) return
    // Both families are asked for at once; the answer waits for both.
    let waiting = 2
    let failure: unknown
    let addresses: string[] = []
    let ttlSec = Number.MAX_SAFE_INTEGER
    const take = (thrown: unknown, records: readonly { address: string; ttl: number }[] | undefined, first: boolean): void => {
      if (thrown !== null && thrown !== undefined && (failure === undefined || isTransient(thrown))) failure = thrown
      const found = (records ?? []).map((record) => record.address)
      addresses = first ? [...found, ...addresses] : [...addresses, ...found]
      for (const record of records ?? []) ttlSec = Math.min(ttlSec, record.ttl)
      if (--waiting > 0) return
      this.#asking--
      this.#guard(() => onResult(addresses.length > 0 ? { kind: 'addresses', addresses, ttlSec } : failed(failure)))
    }
    const dns = this.#asked()
    dns.resolve4(name, { ttl: true }, (thrown, records) => take(thrown, records, true))
    dns.resolve6(name, { ttl: true }, (thrown, records) => take(thrown, records, false))
  }

  reverse(address: string, onResult: (result: ResolveResult) => void): void {
    if (isIP(address) === 0) {
      this.#answerLater(onResult, { kind: 'failed', transient: false, reason: 'not an IP address' })
      return
    }
    if (!this.#mayAsk(onResult)) return
    // Unlike `resolvePtr` this asks for the reversed name of either family; it gives no time to live.
    this.#asked().reverse(address, (thrown, names) => {
      this.#asking--
      this.#guard(() =>
        onResult(thrown === null && names.length > 0 ? { kind: 'names', names, ttlSec: hostLimits.resolverHostsTtlSec } : failed(thrown)),
      )
    })
  }

  /** Made for the first question: few nodes are ever asked, and it takes milliseconds of their start. */
  #asked(): DnsResolver {
    this.#dns ??= this.#makeDns()
    return this.#dns
  }

  #mayAsk(onResult: (result: ResolveResult) => void): boolean {
    if (this.#asking >= hostLimits.resolverQueriesMax) {
      this.#answerLater(onResult, { kind: 'failed', transient: true, reason: `${hostLimits.resolverQueriesMax} queries are under way` })
      return false
    }
    this.#asking++
    return true
  }

  #answerLater(onResult: (result: ResolveResult) => void, result: ResolveResult): void {
    setImmediate(() => this.#guard(() => onResult(result)))
  }
}

function serversOf(resolvConfFile: string): string[] {
  const text = readSmallFile(resolvConfFile)
  const servers = text === undefined ? [] : parseResolvConf(text)
  if (servers.length === 0) throw new RelishError('config', `${resolvConfFile} names no name server`)
  return servers
}

/** Servers of a resolv.conf, as c-ares takes them: `ADDR`, `ADDR:PORT` or `[ADDR6]:PORT`. Other lines are passed over. */
export function parseResolvConf(text: string): string[] {
  const servers: string[] = []
  for (const line of text.split('\n')) {
    const server = /^\s*nameserver\s+(\S+)/.exec(line)?.[1]
    if (server === undefined) continue
    const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/.exec(server)
    const host = parts?.[1] ?? parts?.[2] ?? server
    if (isIP(host) !== 0 && Number(parts?.[3] ?? 53) <= 65_535) servers.push(server)
  }
  return servers
}

/** Addresses of `name` in the text of a hosts file, IPv4 first. */
export function lookupHosts(text: string, name: string): string[] {
  const wanted = name.toLowerCase()
  const found: string[] = []
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/)
    if (isIP(address) !== 0 && names.some((known) => known.toLowerCase() === wanted)) found.push(address)
  }
  return [...found.filter((address) => isIP(address) === 4), ...found.filter((address) => isIP(address) === 6)]
}

function readSmallFile(path: string): string | undefined {
  try {
    if (statSync(path).size > hostLimits.resolverFileBytesMax) return undefined
    return readFileSync(path, 'utf8')
  } catch {
    // The caller decides whether the file is needed.
    return undefined
  }
}

const isTransient = (thrown: unknown): boolean => !['ENOTFOUND', 'ENODATA', 'EBADNAME', 'EFORMERR'].includes(systemErrorCode(thrown) ?? '')

function failed(thrown: unknown): ResolveResult {
  const reason = thrown instanceof Error ? thrown.message : 'no answer'
  return { kind: 'failed', transient: isTransient(thrown), reason }
}
