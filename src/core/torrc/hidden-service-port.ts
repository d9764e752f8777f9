/** The values of `HiddenServicePort`: `VIRTPORT [TARGET]`, where a target is a port, an address with a port, or a Unix socket. tor(1). */

import { parseAddressPort, parsePort } from '../ident/address.ts'
import { configError, type ConfigLine } from './config-line.ts'

export type HiddenServiceTarget =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface HiddenServicePort {
  readonly virtualPort: number
  readonly target: HiddenServiceTarget
}

/** Throws `config`. */
export function parseHiddenServicePorts(lines: readonly ConfigLine[]): HiddenServicePort[] {
  return lines.map((line) => {
    const [virtual, ...rest] = line.value.trim().split(/\s+/)
    const virtualPort = parsePort(virtual ?? '')
    if (virtualPort === undefined) throw configError(`${line.keyword}: expected VIRTPORT [TARGET], not "${line.value}"`, line.position)
    const target = parseTarget(rest.join(' '), virtualPort)
    if (target === undefined) throw configError(`${line.keyword}: cannot read target "${rest.join(' ')}"`, line.position, 'targets are a port, ADDRESS, ADDRESS:PORT or unix:PATH')
    return { virtualPort, target }
  })
}

function parseTarget(text: string, virtualPort: number): HiddenServiceTarget | undefined {
  if (text === '') return { kind: 'tcp', host: '127.0.0.1', port: virtualPort }
  const unix = /^unix:(?:"([^"]+)"|(\S+))$/.exec(text)
  if (unix !== null) return { kind: 'unix', path: unix[1] ?? unix[2] ?? '' }
  const port = parsePort(text)
  if (port !== undefined) return { kind: 'tcp', host: '127.0.0.1', port }
  const address = parseAddressPort(text) ?? parseAddressPort(`${text}:${virtualPort}`)
  return address === undefined ? undefined : { kind: 'tcp', host: address.host, port: address.port }
}
