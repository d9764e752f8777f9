/** The values of `TestingListenFd`: listening sockets that a parent has bound and this process inherits, `ADDRESS:PORT=FD`. */

import { parseAddressPort, type AddressPort } from '../ident/address.ts'
import { configError, type ConfigLine } from './config-line.ts'

export interface ListenFd {
  readonly address: AddressPort
  readonly fd: number
}

/** Throws `config`. */
export function parseListenFds(lines: readonly ConfigLine[]): ListenFd[] {
  return lines.map((line) => {
    const match = /^(\S+)=(\d{1,6})$/.exec(line.value.trim())
    const address = parseAddressPort(match?.[1] ?? '')
    if (match === null || address === undefined) throw configError(`${line.keyword}: expected ADDRESS:PORT=FD, not "${line.value}"`, line.position)
    return { address, fd: Number(match[2]) }
  })
}
