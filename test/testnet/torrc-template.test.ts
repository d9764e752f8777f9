import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'
import { packageRoot } from '../../src/testnet/package-root.ts'
import type { AuthorityIdentity, NetworkPlacement } from '../../src/testnet/placement.ts'
import { renderNodeTorrc } from '../../src/testnet/render-torrc.ts'
import { renderTemplate, type TemplateVariables } from '../../src/testnet/torrc-template.ts'

const render = (files: Record<string, string>, variables: TemplateVariables = {}): string => renderTemplate('main', variables, (name) => files[name])

describe('the template language', () => {
  test('variables, optional lines, lines for each value, includes, comments as they are', () => {
    const main = '# ${not} a variable\n@include other\nNickname ${name}\nDirPort ${port?}\nDirAuthority ${list*} ${name}\n'
    expect(render({ main, other: 'A 1\n' }, { name: 'n', port: undefined, list: ['x', 'y'] })).toBe('# ${not} a variable\nA 1\nNickname n\nDirAuthority x n\nDirAuthority y n\n')
    expect(render({ main: 'DirPort ${port?}\n' }, { port: 5 })).toBe('DirPort 5\n')
  })

  test('a value that looks like a replacement pattern is itself', () => {
    expect(render({ main: 'A ${v}\n' }, { v: '$& $1 ${v}' })).toBe('A $& $1 ${v}\n')
  })

  test.each([
    ['an unknown variable, with the nearest one', 'A ${nmae}\n', { name: 'x' }, 'main:1: unknown variable nmae; did you mean name?'],
    ['a variable without value', '\nA ${name}\n', { name: undefined }, 'main:2: name has no value here'],
    ['a list without mark', 'A ${l}\n', { l: ['a'] }, 'main:1: l is a list: use ${l*}'],
    ['a mark without list', 'A ${l*}\n', { l: 'a' }, 'main:1: l is not a list'],
    ['an unknown directive', '@inculde x\n', {}, 'main:1: unknown directive @inculde'],
    ['a template that is not there', '@include x\n', {}, 'there is no template x'],
    ['templates that include themselves', '@include main\n', {}, 'include each other more than'],
  ])('%s is an error with its place', (_name, main, variables, message) => {
    expect(() => render({ main }, variables as TemplateVariables)).toThrow(message)
  })
})

describe('templates of the package', () => {
  test('each option has its reason: a comment above it, or above the options just before it', () => {
    const folder = join(packageRoot(), 'templates')
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.torrc'))) {
      let explained = false
      for (const [index, line] of readFileSync(join(folder, file), 'utf8').split('\n').entries()) {
        if (line.startsWith('#')) explained = true
        else if (line === '') explained = false
        else if (!line.startsWith('@')) expect(explained, `${file}:${index + 1}: ${line}`).toBe(true)
      }
    }
  })

  const text = `
nodes:
  - { role: authority, name: auth, count: 2 }
  - { role: relay, name: middle, family: home }
  - { role: exit, name: exit, family: home, ipv6: true, torrc: { BandwidthRate: 5 MB } }
  - { role: client, name: client }
params: { circwindow: 900, bwweightscale: 10000 }
`

  function torrcs(file: string = text, clock?: { startSec: number; firstVoteSec: number }): Map<string, string> {
    const { network } = loadNetworkText(file, '/nowhere/net.yaml', {})
    const placement: NetworkPlacement = {
      network,
      observerHost: '127.254.3.4',
      observerHost6: '::1',
      nameServer: { host: '127.254.3.4', port: 53 },
      distinctAddresses: true,
      nodes: network.nodes.map((node) => ({
        node,
        host: `127.${node.index + 1}.3.4`,
        host6: node.ipv6 ? '::1' : undefined,
        orPort: node.role === 'client' ? undefined : 5000,
        orPort6: node.ipv6 ? 5001 : undefined,
        dirPort: node.role === 'authority' ? 7000 : undefined,
        socksPort: node.role === 'client' ? 9000 : undefined,
        controlPort: undefined,
        dataDirectory: `/run/nodes/${node.name}`,
      })),
    }
    const authorities = new Map<string, AuthorityIdentity>(['auth1', 'auth2'].map((nickname, index) => [nickname, { nickname, v3Identity: `${index}`.repeat(40), fingerprint: `${index + 4}`.repeat(40) }]))
    const fingerprints = new Map([['middle', 'A'.repeat(40)], ['exit', 'B'.repeat(40)]])
    return new Map(placement.nodes.map((placed) => [placed.node.name, renderNodeTorrc({ placement, authorities, fingerprints, logLevel: 'notice', resolvConfFile: '/run/resolv.conf', ...(clock === undefined ? {} : { clock }) }, placed)]))
  }

  test.each(['auth1', 'middle', 'exit', 'client'])('the torrc of %s is one that relish-tor takes, without a warning', (name) => {
    const config = buildConfig([parseConfigText(torrcs().get(name) ?? '', name)])
    expect(config.options.Nickname).toBe(name)
    expect(config.options.DirAuthority).toHaveLength(2)
    expect(config.warnings).toEqual([])
  })

  test('what differs between roles', () => {
    const all = torrcs()
    expect(all.get('auth1')).toMatch(/^ConsensusParams bwweightscale=10000 circwindow=900$/m)
    expect(all.get('auth1')).toMatch(/^TestingV3AuthVoteWhenRelays 4$/m)
    expect(all.get('auth1')).toMatch(/^DirAuthority auth2 orport=5000 no-v2 v3ident=1{40} 127\.2\.3\.4:7000 5{40}$/m)
    expect(all.get('middle')).toMatch(/^MyFamily \$A{40},\$B{40}$/m)
    expect(all.get('exit')).toMatch(/^ORPort \[::1\]:5001 IPv6Only$/m)
    expect(all.get('exit')).toMatch(/# From the network file\.\nBandwidthRate 5 MB\n$/)
    expect(all.get('client')).toMatch(/^SocksPort 127\.5\.3\.4:9000$/m)
    expect(all.get('client')).not.toMatch(/MyFamily|ExitPolicy|^DirPort/m)
    expect(all.get('exit')).toMatch(/^TestingLinkKeyType p256$/m)
  })

  test('every relay can be a guard at once, whichever of them started last', () => {
    const { options } = buildConfig([parseConfigText(torrcs().get('auth1') ?? '', 'auth1')])
    expect(options.AuthDirVoteStableGuaranteeMinUptime).toBe(0)
  })

  describe('with nodes of C tor', () => {
    const withTor = (name: string): string => text.replace(`name: ${name}`, `name: ${name}, implementation: tor`)

    test('its torrcs have none of our own options, and our relays have keys like its own', () => {
      const all = torrcs(withTor('middle'))
      expect(all.get('middle')).not.toMatch(/^Testing(?:LinkKeyType|V3AuthVoteWhenRelays|EventsFd|ListenFd)/m)
      expect(all.get('exit')).not.toMatch(/^TestingLinkKeyType/m)
      // Relish authorities still need no clock, and count its relays among those they wait for.
      expect(all.get('auth1')).toMatch(/^TestingV3AuthVoteWhenRelays 4$/m)
    })

    test('authorities of both kinds keep the same hours, which the first vote fits', () => {
      const all = torrcs(withTor('auth'), { startSec: 1_000_000_000, firstVoteSec: 1_000_000_007 })
      for (const torrc of [all.get('auth1'), all.get('auth2')]) {
        expect(torrc).not.toMatch(/^TestingV3AuthVoteWhenRelays/m)
        expect(torrc).toMatch(/^TestingV3AuthInitialVotingInterval 20 seconds$/m)
        // The consensus is valid five seconds after the first vote.
        expect(torrc).toMatch(/^TestingV3AuthVotingStartOffset 12$/m)
      }
      expect(all.get('exit')).toMatch(/^TestingServerConsensusDownloadInitialDelay 13$/m)
    })

    test('nobody uses conflux where exits are mixed or few, unless the file says so', () => {
      expect(torrcs(withTor('middle')).get('auth1')).toMatch(/^ConsensusParams .*cfx_enabled=0/m)
      expect(torrcs(withTor('middle').replace('circwindow: 900', 'cfx_enabled: 1')).get('auth1')).toMatch(/^ConsensusParams .*cfx_enabled=1/m)
      expect(torrcs().get('auth1')).not.toContain('cfx_enabled')
    })
  })
})
