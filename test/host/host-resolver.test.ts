import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { RelishError } from '../../src/core/base/errors.ts'
import { HostResolver, lookupHosts, parseResolvConf } from '../../src/host/host-resolver.ts'

it('reads servers of a resolv.conf', () => {
  const text = ['# nameserver 1.1.1.1', 'search example.org', 'nameserver 127.0.0.1', ' nameserver 127.0.0.2:5353 ', 'nameserver ::1', 'nameserver [::1]:53', 'nameserver nonsense', 'nameserver 1.2.3.4:99999'].join('\n')
  expect(parseResolvConf(text)).toEqual(['127.0.0.1', '127.0.0.2:5353', '::1', '[::1]:53'])
})

it('finds names in a hosts file, without case, IPv4 first', () => {
  const text = '127.0.0.1 localhost # here\n::1 localhost ip6-localhost\n10.0.0.1\tserver.example SERVER\nbad server\n'
  expect(lookupHosts(text, 'LocalHost')).toEqual(['127.0.0.1', '::1'])
  expect(lookupHosts(text, 'server')).toEqual(['10.0.0.1'])
  expect(lookupHosts(text, 'here')).toEqual([])
})

it('refuses a resolv.conf that names nobody', () => {
  const folder = mkdtempSync(join(tmpdir(), 'relish-resolver-'))
  const file = join(folder, 'resolv.conf')
  const make = () => new HostResolver((work) => work(), file)
  expect(make).toThrow(RelishError)
  writeFileSync(file, 'search example.org\n')
  expect(make).toThrow(/names no name server/)
  rmSync(folder, { recursive: true })
})
