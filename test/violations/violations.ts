/**
 * For each check of the suite full that has no counterpart in `test/testnet/checks.test.ts`: one thing that is broken, by
 * a change of the source when it is bundled, and what turns red of all checks. Nothing in the product knows of this.
 */

export interface Violation {
  readonly check: string
  readonly what: string
  readonly network?: string
  readonly seed?: string
  /** Each text is there exactly once in its file. */
  readonly changes: readonly { readonly file: string; readonly from: string; readonly to: string }[]
  /** What the check says. */
  readonly reason: RegExp
  /** Checks that are left out, since they need what is broken for something else: with the reason. */
  readonly without?: Readonly<Record<string, string>>
}

export const basic = `
nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: exit, count: 5 }
  - { role: client, count: 2 }
`

/** Exits that differ, relays that are none, two families, a parameter. */
export const rich = `
params: { circwindow: 900 }
nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: exit, name: red, count: 3, family: red, each: { red1: { torrc: { ExitPolicy: 'reject *:7000' } } } }
  - { role: exit, name: blue, count: 3, family: blue }
  - { role: relay, name: free, count: 2 }
  - { role: client, count: 2 }
`

/** Bandwidths as if they had been measured: 1,000 to 8,000 kilobytes a second. */
export const measured = {
  file: 'src/node/authority.ts',
  from: 'relays: this.#relays.votedRelays(bandwidth?.measured ?? new Map()),',
  to: 'relays: this.#relays.votedRelays(new Map([...this.#cache.serverDescriptors()].map((one) => [one.fingerprint, 1000 * (1 + (Number.parseInt(one.fingerprint.slice(0, 4), 16) % 8))]))),',
}

export const violations: readonly Violation[] = [
  {
    check: 'promises',
    what: 'authorities that leave a parameter out of their votes',
    network: rich,
    changes: [{ file: 'src/core/dirvote/build-vote.ts', from: 'params: new Map([...input.params]', to: "params: new Map([...input.params].filter(([name]) => name !== 'circwindow')" }],
    reason: /consensus parameter circwindow/,
  },
  {
    check: 'families',
    what: 'a client that takes two relays of one family for strangers, those two only',
    network: rich,
    // With this one none of the few circuits that `path` looks at is among those that went wrong.
    seed: '3',
    changes: [{ file: 'src/core/netdir/family.ts', from: "if (declares(a, b) && declares(b, a) &&", to: "if (declares(a, b) && declares(b, a) && !['red2', 'red3'].every((name) => [a.nickname, b.nickname].includes(name)) &&" }],
    reason: /would take .*: two relays of the family red/,
  },
  {
    check: 'policies',
    what: 'an exit that does not carry out one rule of its policy',
    network: rich,
    changes: [{ file: 'src/core/torrc/config.ts', from: 'export function buildConfig(', to: 'export const buildConfig = (files, ...more) => buildUnchanged(files.map((file) => JSON.parse(JSON.stringify(file).replaceAll("reject *:7000", "accept *:7000"))), ...more)\nfunction buildUnchanged(' }],
    reason: /port 7000/,
  },
  {
    check: 'bandwidth-weights',
    what: 'a client that likes one relay better',
    changes: [{ file: 'src/core/relaysel/select-relay.ts', from: 'if (total <= 0) return randomChoice(rng, candidates)', to: 'if (total <= 0) return randomUnit(rng) < 0.15 ? candidates[0] : randomChoice(rng, candidates)' }],
    reason: /chi-square/,
  },
  {
    check: 'bandwidth-weights',
    what: 'a client that leaves bandwidths out of account, where they differ',
    changes: [measured, { file: 'src/core/relaysel/select-relay.ts', from: 'const weights = candidates.map((relay) => netDir.weights.of(relay, position))', to: 'const weights = candidates.map(() => (position === undefined || netDir === undefined ? 0 : 1))' }],
    reason: /chi-square/,
  },
  {
    check: 'majority-rule',
    what: 'a verifier that is content with one signature fewer, in one flavour',
    changes: [{ file: 'src/core/netdoc/consensus.ts', from: 'if (check.good.length >= check.required) return', to: "if (check.good.length >= check.required - (consensus.flavour === 'ns' ? 1 : 0)) return" }],
    reason: /a ns consensus with 1 of 3/,
  },
  {
    check: 'hup-keeps-streams',
    what: 'a client that closes its circuits when it is told to read its configuration again',
    changes: [{ file: 'src/node/create-node.ts', from: 'this.#parts?.authority?.reload()', to: 'this.#parts?.authority?.reload()\n        if (!isRelay(this.options)) this.#parts?.circuits.closeAll()' }],
    reason: /./,
  },
  {
    check: 'guards-restart',
    what: 'a client that does not keep its guards',
    changes: [{ file: 'src/node/network-view.ts', from: "if (this.#guards.changed) this.#state.set('Guard', this.#guards.stateLines())", to: "if (this.#guards.changed) this.#state.set('Guard', [])" }],
    reason: /primary guards of client1 after a restart/,
  },
  {
    check: 'identity-restart',
    what: 'a relay that takes up another identity when it starts again',
    changes: [{ file: 'src/node/create-node.ts', from: '      this.#state.flush()', to: "      this.#state.flush()\n      if (this.options.Nickname === 'exit5') for (const name of this.#runtime.files.list('keys')) this.#runtime.files.remove(`keys/${name}`)" }],
    // Nobody takes the new one for the old one, so that it does not even come up.
    reason: /did not come up|fingerprint of exit5 after a restart/,
    without: { 'relay-killed': 'authorities know the new identity only after a vote', 'authority-minority': 'the same', 'authority-majority': 'the same' },
  },
  {
    check: 'relay-killed',
    what: 'authorities that take a relay for running once they have reached it',
    changes: [{ file: 'src/core/dirvote/relay-flags.ts', from: 'const reachable = nowSec < reachedSec + REACHABLE_TIMEOUT_SEC', to: 'const reachable = nowSec < reachedSec + REACHABLE_TIMEOUT_SEC * 100' }],
    reason: /the consensus still lists exit\d as Running, 120 minutes after it crashed/,
  },
  {
    check: 'authority-majority',
    what: 'authorities that do not say why there is no consensus',
    changes: [{ file: 'src/node/authority-rounds.ts', from: "write(isEarly ? 'info' : 'warn', 'dir', `${attempt}: ${error.message}`)", to: "write('info', 'dir', `${attempt}: ${error.message}`)" }],
    reason: /still waiting for auth\d to say why there is no consensus/,
  },
  {
    check: 'authority-minority',
    what: 'authorities that want the votes of all',
    changes: [{ file: 'src/core/dirvote/voting-period.ts', from: 'return Math.floor(this.#authorities.size / 2) + 1', to: 'return this.#authorities.size' }],
    reason: /to have a newer consensus, without auth\d/,
  },
]
