import { describe, expect, test } from 'vitest'
import { NetworkFileError, type Diagnostic } from '../../src/testnet/diagnostic.ts'
import { builtInNetworks, findNetworkFile, loadNetwork, loadNetworkText } from '../../src/testnet/load-network.ts'
import { parseNetworkFile } from '../../src/testnet/parse-network.ts'

const load = (text: string, environment: Record<string, string> = {}) => loadNetworkText(text, '/nowhere/net.yaml', environment)

function complaintsOf(text: string, environment: Record<string, string> = {}): readonly Diagnostic[] {
  try {
    return load(text, environment).warnings
  } catch (error) {
    if (error instanceof NetworkFileError) return error.diagnostics
    throw error
  }
}

/** `line:column message` of each complaint. */
const placesOf = (text: string, environment?: Record<string, string>): string[] => complaintsOf(text, environment).map((one) => `${one.line}:${one.column} ${one.message}`)

const whole = `nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: exit, count: 2 }
  - { role: client }
`

describe('networks of the package', () => {
  test.each(builtInNetworks().map((network) => network.name))('%s is whole, and says what it is for', (name) => {
    const loaded = loadNetwork(name, {})
    expect(loaded.warnings).toEqual([])
    expect(loaded.network.name).toBe(name)
    expect(builtInNetworks().find((network) => network.name === name)?.about.length).toBeGreaterThan(40)
  })

  test.each([
    ['basic', { authority: 3, exit: 5, client: 2 }],
    ['basic-min', { authority: 4, exit: 1, client: 1 }],
    ['large', { authority: 5, relay: 25, exit: 15, client: 10 }],
  ])('%s has the nodes it promises', (name, counts) => {
    const found: Record<string, number> = {}
    for (const node of loadNetwork(name, {}).network.nodes) found[node.role] = (found[node.role] ?? 0) + 1
    expect(found).toEqual(counts)
  })

  test('a misspelt name gets the nearest one', () => {
    expect(() => findNetworkFile('basci')).toThrow('there is no built-in network "basci"')
    try {
      findNetworkFile('basci')
    } catch (error) {
      expect((error as { hint?: string }).hint).toContain('did you mean "basic"?')
    }
  })
})

describe('resolving', () => {
  test('groups become nodes, with defaults, group and node settings merged in that order', () => {
    const { network } = load(`
name: merged
defaults: { torrc: { BandwidthRate: 1 MB }, phase: 2 }
nodes:
  - { role: authority, name: auth, count: 3, phase: 1 }
  - { role: relay, name: middle, count: 3, phase: 1 }
  - role: exit
    count: 2
    phase: 1
    torrc: |
      # why
      ContactInfo someone

      MaxCircuitDirtiness 5 minutes
    each:
      exit2: { family: home, torrc: { ExitPolicy: ["reject *:80", "accept *:*"] } }
  - { role: client }
params: { circwindow: 900 }
`)
    expect(network.nodes.map((node) => node.name)).toEqual(['auth1', 'auth2', 'auth3', 'middle1', 'middle2', 'middle3', 'exit1', 'exit2', 'client'])
    expect(network.nodes.map((node) => node.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(network.nodes.at(-1)?.phase).toBe(2)
    expect(network.nodes[6]?.torrc).toEqual(['BandwidthRate 1 MB', 'ContactInfo someone', 'MaxCircuitDirtiness 5 minutes'])
    expect(network.nodes[7]).toMatchObject({ family: 'home', torrc: ['BandwidthRate 1 MB', 'ContactInfo someone', 'MaxCircuitDirtiness 5 minutes', 'ExitPolicy reject *:80', 'ExitPolicy accept *:*'] })
    expect(network).toMatchObject({ name: 'merged', params: { circwindow: 900 }, options: { progressSec: 30, controlPorts: false } })
  })

  test('the environment fills in, and a value that is one reference keeps its type', () => {
    const text = whole.replace('count: 2', 'count: "${EXITS:-4}"').replace('{ role: client }', '{ role: client, name: "c${SUFFIX}" }')
    expect(load(text, { SUFFIX: 'x' }).network.nodes.map((node) => node.name)).toEqual(['auth1', 'auth2', 'auth3', 'exit1', 'exit2', 'exit3', 'exit4', 'cx'])
    expect(load(text, { SUFFIX: 'x', EXITS: '1' }).network.nodes).toHaveLength(5)
    expect(placesOf(text)).toEqual(['4:27 the environment has no SUFFIX'])
    expect(placesOf(text, { SUFFIX: 'x', EXITS: 'many' })[0]).toMatch(/^3:26 "count" must be an integer/)
  })

  test('checks are built in, or modules beside the file', () => {
    expect(load(`${whole}checks: [echo, ./own.js, sub/own.mjs]\n`).network.checks).toEqual(['echo', '/nowhere/own.js', '/nowhere/sub/own.mjs'])
    expect(load(whole).network.checks).toContain('tls-only')
  })

  test('C tor is accepted as an implementation', () => {
    expect(load(whole.replace('role: client', 'role: client, implementation: tor, tor: /usr/bin/tor')).network.nodes.at(-1)).toMatchObject({ implementation: 'tor', tor: '/usr/bin/tor' })
    // A name is for the PATH; a path is beside the file.
    expect(load(whole.replace('role: client', 'role: client, implementation: tor, tor: ./build/tor')).network.nodes.at(-1)).toMatchObject({ tor: '/nowhere/build/tor' })
    expect(load(whole.replace('role: client', 'role: client, implementation: tor, tor: tor-0.4.9')).network.nodes.at(-1)).toMatchObject({ tor: 'tor-0.4.9' })
  })

  test('clients of C tor, and all clients where it votes, wait for the relays unless told otherwise', () => {
    const phasesOf = (text: string): number[] => load(text).network.nodes.map((node) => node.phase)
    const settings = (authority: string, client: string): string => `nodes:\n  - { role: authority, name: auth, count: 3${authority} }\n  - { role: exit, name: exit }\n  - { role: client, name: client${client} }\n`
    expect(phasesOf(settings('', ''))).toEqual([1, 1, 1, 1, 1])
    expect(phasesOf(settings('', ', implementation: tor'))).toEqual([1, 1, 1, 1, 2])
    expect(phasesOf(settings(', implementation: tor', ''))).toEqual([1, 1, 1, 1, 2])
    expect(phasesOf(settings(', each: { auth2: { implementation: tor } }', ''))).toEqual([1, 1, 1, 1, 2])
    expect(phasesOf(settings(', implementation: tor', ', phase: 1'))).toEqual([1, 1, 1, 1, 1])
  })
})

describe('complaints name the place, the text and what would be right', () => {
  test.each([
    ['an unknown setting', whole.replace('count: 2', 'cuont: 2'), '3:19 unknown setting "cuont"', 'did you mean "count"?'],
    ['an unknown role', whole.replace('role: exit', 'role: exti'), '3:13 "exti" is not a role', 'did you mean "exit"?'],
    ['a missing role', whole.replace('role: exit, count', 'count'), '3:5 "role" is missing', undefined],
    ['a wrong type', whole.replace('count: 2', 'count: two'), '3:26 "count" must be an integer, not the string "two"', undefined],
    ['a number out of range', whole.replace('count: 2', 'count: 0'), '3:26 "count" must be >= 1', undefined],
    ['a name that is no nickname', whole.replace('name: auth', 'name: my-auth'), '2:30 "my-auth" is not possible here; it must match ^[A-Za-z][A-Za-z0-9]{0,15}$', undefined],
    ['a torrc that is a list', whole.replace('role: client', 'role: client, torrc: [a]'), '4:28 "torrc" cannot be a list', undefined],
    ['nodes of the same name', whole.replace('role: client', 'role: client, name: auth1'), '4:27 two nodes would be named "auth1"', 'the other is in group 1; give one of the groups another name'],
    ['settings for a node there is not', whole.replace('count: 2', 'count: 2, each: { exit3: { phase: 1 } }'), '3:37 no node of this group is named "exit3"', 'did you mean "exit1"?'],
    ['an unknown check', `${whole}checks: [ecko]\n`, '5:10 there is no check "ecko"', 'did you mean "echo"?'],
    ['a key twice', `${whole}name: a\nname: b\n`, '6:1 not valid YAML: Map keys must be unique', undefined],
    ['broken YAML', 'nodes: [', '1:9 not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]', undefined],
    ['no mapping at all', '- 1\n', '1:1 the file must be an object, not a list', undefined],
    ['an empty file', '', '1:1 the file must be an object, not empty', undefined],
    ['an unknown option', whole.replace('role: client', 'role: client, torrc: { SokcsTimeout: 1 }'), '4:30 there is no option "SokcsTimeout"', 'did you mean "SocksTimeout"?'],
  ])('%s', (_name, text, place, note) => {
    expect(placesOf(text)).toEqual([place])
    if (note !== undefined) expect(complaintsOf(text)[0]?.notes).toContain(note)
  })

  test('the message shows the line with a caret under the text', () => {
    expect(() => load(whole.replace('count: 2', 'cuont: 2'))).toThrow(
      ['/nowhere/net.yaml:3:19: error: unknown setting "cuont"', '  3 |   - { role: exit, cuont: 2 }', '    |                   ^^^^^'].join('\n'),
    )
  })

  test('of a very long line only what is around the text is shown, and nothing that a terminal would obey', () => {
    const file = whole.replace('count: 2', `${' '.repeat(5000)}cuont: 2, name: "\u009b2J"${' '.repeat(5000)}`)
    try {
      load(file)
      expect.unreachable()
    } catch (error) {
      const lines = (error as Error).message.split('\n')
      expect(lines[1]?.length).toBeLessThan(200)
      expect(lines[1]).toContain('cuont: 2, name: "·2J"')
      expect(lines[2]?.indexOf('^')).toBe(lines[1]?.indexOf('cuont'))
    }
  })

  test('a file larger than the limit is refused unread', () => {
    expect(parseNetworkFile(`# ${'x'.repeat(2 << 20)}\n${whole}`, 'big', {}).diagnostics[0]?.message).toMatch(/larger than/)
  })

  test('aliases that grow without bound are refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`)
    expect(placesOf(lines.join('\n'))[0]).toMatch(/not valid YAML: Excessive alias count/)
  })
})

describe('lint', () => {
  test.each([
    ['no authority', whole.replace('role: authority', 'role: relay'), 'the network has no authority'],
    ['no exit', whole.replace('role: exit', 'role: relay'), 'the network has no exit'],
    ['too few relays', whole.replace('count: 3', 'count: 1').replace('role: exit, count: 2', 'role: exit'), 'the network has 2 usable relays'],
    ['families that leave no path', whole.replace('count: 3', 'count: 3, family: a').replace('count: 2', 'count: 2, family: b'), 'families leave no path: the relays are only 2 families'],
    ['an exit without exit policy', whole.replace('count: 2', 'count: 2, torrc: { ExitPolicy: "reject *:*" }'), '"ExitPolicy reject *:*" contradicts the role exit'],
    ['a client that is an exit', whole.replace('role: client', 'role: client, torrc: { ExitRelay: 1 }'), '"ExitRelay 1" contradicts the role client'],
    ['a port of one\'s own', whole.replace('role: client', 'role: client, torrc: "SocksPort 9050"'), 'SocksPort is set by relish itself'],
    ['clients before exits', whole.replace('count: 2', 'count: 2, phase: 2'), 'clients of phase 1 have no exit to use'],
    ['authorities that come too late', whole.replace('count: 3', 'count: 3, phase: 2'), 'phase 1 has 0 of 3 authorities'],
    ['a program for our own nodes', whole.replace('role: client', 'role: client, tor: /usr/bin/tor'), '"tor" names a program, but these nodes are run by relish'],
  ])('%s', (_name, text, message) => {
    const complaints = complaintsOf(text)
    expect(complaints.filter((one) => one.severity === 'error').map((one) => one.message)).toContain(message)
    expect(complaints.find((one) => one.message === message)?.notes).not.toEqual([])
  })

  test('an exit policy that rejects the rest after some rules is a policy', () => {
    expect(complaintsOf(whole.replace('count: 2', 'count: 2, torrc: { ExitPolicy: ["accept *:80", "reject *:*"] }'))).toEqual([])
  })

  test('what is only unwise is a warning', () => {
    expect(load(whole.replace('count: 3', 'count: 2')).warnings.map((one) => one.message)).toEqual(['two authorities need each other'])
    expect(load(whole.replace('  - { role: client }\n', '')).warnings.map((one) => one.message)).toEqual(['the network has no client'])
  })
})
