/** Every parser has a fuzzer: an exported `parseX` or `decodeX` of the core that no fuzzer mentions fails here. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

/** Parsers that are fuzzed as part of a larger one, by file: there the reason is the same for all of them. */
const partsOfLargerOnes: Readonly<Record<string, string>> = {
  'core/netdoc/fields.ts': 'fields of every document',
  'core/netdoc/base64.ts': 'objects of every document',
  'core/netdoc/network-status.ts': 'head and foot of consensuses and votes',
  'core/netdoc/router-status.ts': 'entries of consensuses and votes',
  'core/proto/stream/stream-request.ts': 'one of two messages that are fuzzed',
  'core/torrc/option-spec.ts': 'values of torrc lines',
  'core/torrc/port-spec.ts': 'values of torrc lines',
  'core/torrc/log-line.ts': 'values of torrc lines',
  'core/torrc/router-set.ts': 'values of torrc lines',
  'core/torrc/address-map.ts': 'values of torrc lines',
  'core/torrc/listen-fd.ts': 'values of torrc lines',
  'core/torrc/family.ts': 'values of torrc lines',
  'core/torrc/consensus-params.ts': 'values of torrc lines',
  'core/torrc/control-socket.ts': 'values of torrc lines',
  'core/torrc/outbound.ts': 'values of torrc lines',
  'core/torrc/directory-lines.ts': 'values of torrc lines',
  'core/torrc/hashed-password.ts': 'values of torrc lines',
  'core/torrc/hidden-service-port.ts': 'values of torrc lines',
}
const parts: ReadonlySet<string> = new Set(['parseCertificateAt', 'parseOrAddresses', 'parsePortRange', 'parseIpv4', 'parseIpv6', 'parseIsoTime'])

it('every parser has a fuzzer', () => {
  const source = new URL('../../src/', import.meta.url).pathname
  const fuzzers = readdirSync(new URL('.', import.meta.url)).filter((name) => name.endsWith('-fuzzers.ts')).map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join('\n')
  const missing: string[] = []
  for (const path of readdirSync(join(source, 'core'), { recursive: true, encoding: 'utf8' }).sort()) {
    const file = `core/${path}`
    if (!file.endsWith('.ts') || partsOfLargerOnes[file] !== undefined) continue
    for (const match of readFileSync(join(source, file), 'utf8').matchAll(/^export (?:function|const) ((?:parse|decode)[A-Z]\w*)/gm)) {
      const name = match[1] ?? ''
      if (!parts.has(name) && !new RegExp(`\\b${name}\\b`).test(fuzzers)) missing.push(`${file}: ${name}`)
    }
  }
  expect(missing).toEqual([])
})
