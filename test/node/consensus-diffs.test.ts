/** Directories that answer with diffs, and nodes that apply them, in virtual time (dir-spec §4.5). */

import { describe, expect, test } from 'vitest'
import { hexEncodeUpper, latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { days, durationMs, hours, later, minutes, seconds, type WallMs } from '../../src/core/base/time.ts'
import { rsaKeyFromRng } from '../../src/core/crypto/rsa-seeded.ts'
import { decodeBody } from '../../src/core/dirhttp/compression.ts'
import { headerOf, type HttpHeader, type HttpRequest, type HttpResponse } from '../../src/core/dirhttp/message.ts'
import { signAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { assembleConsensus, emitUnsignedConsensus, parseConsensus, signConsensus, unsignedTextOf, verifyConsensus, type Consensus } from '../../src/core/netdoc/consensus.ts'
import { applyConsensusDiff, digestAsSigned, isConsensusDiff } from '../../src/core/netdoc/consensus-diff.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { DirCache } from '../../src/node/dir-cache.ts'
import { ConsensusClient } from '../../src/node/dir-consensus-client.ts'
import { ConsensusHistory } from '../../src/node/dir-consensus-history.ts'
import { DIR_CONSENSUSES_KEPT, DIR_DIFF_BASES_MAX } from '../../src/node/dir-limits.ts'
import { DirServerConnections } from '../../src/node/dir-server-connection.ts'
import { DirServer } from '../../src/node/dir-server.ts'
import { DirSources } from '../../src/node/dir-sources.ts'
import { DirPortTransport } from '../../src/node/dir-transport.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { captured } from '../core/netdoc/vectors.ts'

const content = parseConsensus(captured('consensus-ns'))
const start = content.validAfter
const rng = new SeededRng('diffs')
const [identityKey, signingKey] = [rsaKeyFromRng(rng, 1024), rsaKeyFromRng(rng, 1024)]
const certificate = signAuthorityCertificate({ published: later(start, days(-1)), expires: later(start, days(300)) }, identityKey, signingKey)
const trusted = new Set([certificate.identityFingerprint])

/** The consensus of the hour `hour`, in which another relay is missing each time. */
function consensusOf(hour: number, params: ReadonlyMap<string, number> = content.params): Consensus {
  const validAfter = later(start, hours(hour))
  const unsigned = emitUnsignedConsensus({
    ...content, params, validAfter, freshUntil: later(validAfter, hours(1)), validUntil: later(validAfter, hours(3)),
    relays: content.relays.filter((_, i) => i !== hour % content.relays.length),
  })
  const text = assembleConsensus(unsigned, [signConsensus(unsigned, 'ns', certificate.identityFingerprint, signingKey)])
  return verifyConsensus(parseConsensus(text), trusted, () => certificate, start)
}

const digestOf = (consensus: Consensus): string => hexEncodeUpper(digestAsSigned(consensus.text))

function holding(runtime: Runtime, ...held: Consensus[]): { cache: DirCache; server: DirServer } {
  const cache = new DirCache(runtime, trusted)
  cache.addCertificates([certificate])
  const history = new ConsensusHistory(runtime, cache)
  for (const one of held) cache.setConsensus(one)
  return { cache, server: new DirServer({ runtime, cache, history }) }
}

function get(server: DirServer, target: string, ...headers: HttpHeader[]): HttpResponse & { text: string } {
  const response = server.handle({ method: 'GET', target, headers, body: new Uint8Array(0) }, undefined)
  return { ...response, text: latin1Decode(decodeBody(headerOf(response, 'content-encoding'), response.body)) }
}

const consensusUrl = '/tor/status-vote/current/consensus'
const from = (...digests: string[]): HttpHeader => ({ name: 'X-Or-Diff-From-Consensus', value: digests.join(' ') })
const world = (at: WallMs = later(start, hours(5))): Simulation => new Simulation({ seed: 'diffs', start: at })

describe('a directory', () => {
  const consensuses = [0, 1, 2, 3].map((hour) => consensusOf(hour))
  const [first, second, , newest] = consensuses as [Consensus, Consensus, Consensus, Consensus]
  const machine = world().addMachine({ name: 'directory', addresses: ['10.0.0.1'] })
  const { server } = holding(machine.boot(), ...consensuses)

  test('answers with a diff from a consensus it has held', () => {
    for (const base of [first, second]) {
      const answer = get(server, `${consensusUrl}/${certificate.identityFingerprint.slice(0, 6)}`, from(digestOf(base)))
      expect(answer.status).toBe(200)
      expect(headerOf(answer, 'vary')).toBe('X-Or-Diff-From-Consensus')
      expect(isConsensusDiff(answer.text)).toBe(true)
      expect(applyConsensusDiff(base.text, answer.text)).toBe(newest.text)
    }
  })

  test('takes the first digest it knows, with spaces or commas, and ignores what is none', () => {
    const unknown = '0'.repeat(64)
    for (const value of [`${unknown} ${digestOf(second)}`, `${unknown}, ${digestOf(second).toLowerCase()}`, `nonsense ${digestOf(second)} ${digestOf(first)}`]) {
      const { text } = get(server, consensusUrl, { name: 'X-Or-Diff-From-Consensus', value })
      expect(applyConsensusDiff(second.text, text)).toBe(newest.text)
    }
    const many = Array<string>(DIR_DIFF_BASES_MAX).fill(unknown)
    expect(get(server, consensusUrl, from(...many.slice(1), digestOf(first))).text).not.toBe(newest.text)
    expect(get(server, consensusUrl, from(...many, digestOf(first))).text).toBe(newest.text)
  })

  test('answers with the whole consensus where it has no diff, unless only a diff will do', () => {
    expect(get(server, consensusUrl, from('0'.repeat(64))).text).toBe(newest.text)
    const answer = get(server, `${consensusUrl}/diff/${'0'.repeat(64)}`)
    expect([answer.status, answer.reason]).toEqual([404, 'No such diff available'])
    expect(get(server, `${consensusUrl}/diff/nonsense`).status).toBe(400)
    expect(get(server, `${consensusUrl}/diff`).status).toBe(400)
  })

  test('has diffs under URLs of their own', () => {
    const signer = certificate.identityFingerprint
    for (const end of ['', '.z', `/${signer}`, `/${signer}.z`, '/']) {
      expect(applyConsensusDiff(first.text, get(server, `${consensusUrl}/diff/${digestOf(first)}${end}`).text)).toBe(newest.text)
    }
    expect(get(server, `${consensusUrl}-ns/diff/${digestOf(first)}`).status).toBe(200)
    expect(get(server, `${consensusUrl}-microdesc/diff/${digestOf(first)}`).status).toBe(404)
    expect(get(server, `${consensusUrl}/diff/${digestOf(first)}/${'0'.repeat(40)}`).status).toBe(404)
  })

  test('says that nothing has changed since its own', () => {
    expect(get(server, consensusUrl, from(digestOf(newest))).status).toBe(304)
    expect(get(server, `${consensusUrl}/diff/${digestOf(newest)}`).status).toBe(304)
  })

  test('still has them after a restart', () => {
    machine.crash()
    const { server: again } = holding(machine.boot())
    expect(applyConsensusDiff(first.text, get(again, consensusUrl, from(digestOf(first))).text)).toBe(newest.text)
  })

  test('makes diffs to the text it has now, when that has gained signatures', () => {
    const { cache, server: gaining } = holding(world().addMachine({ name: 'gaining', addresses: ['10.0.0.1'] }).boot(), first, second)
    get(gaining, consensusUrl, from(digestOf(first)))
    const unsigned = unsignedTextOf(second)
    const more = parseConsensus(assembleConsensus(unsigned, [...second.signatures, signConsensus(unsigned, 'ns', 'F'.repeat(40), signingKey)]))
    cache.setConsensus(verifyConsensus(more, trusted, () => certificate, start))
    expect(applyConsensusDiff(first.text, get(gaining, consensusUrl, from(digestOf(first))).text)).toBe(more.text)
  })

  test('has no diff from a file that is damaged', () => {
    const broken = world().addMachine({ name: 'broken', addresses: ['10.0.0.1'] })
    const { server: damaged } = holding(broken.boot(), first, second)
    for (const name of broken.files.list('past-consensuses')) broken.files.write(`past-consensuses/${name}`, latin1Encode('damage'))
    expect(get(damaged, consensusUrl, from(digestOf(first))).text).toBe(second.text)
  })

  test('forgets the oldest, by number and by age', () => {
    const params = new Map([...content.params, ['max-consensus-age-to-cache-for-diff', 8192] as const])
    const busy = world().addMachine({ name: 'busy', addresses: ['10.0.0.1'] })
    const { cache } = holding(busy.boot())
    for (let hour = 0; hour < DIR_CONSENSUSES_KEPT + 3; hour++) cache.setConsensus(consensusOf(hour, params))
    expect(busy.files.list('past-consensuses')).toHaveLength(DIR_CONSENSUSES_KEPT)

    // param-spec §5: 72 hours unless the consensus says something else.
    const slow = world(later(start, hours(100))).addMachine({ name: 'slow', addresses: ['10.0.0.1'] })
    const { cache: aged } = holding(slow.boot())
    for (const hour of [0, 27, 28, 100]) aged.setConsensus(consensusOf(hour))
    expect(slow.files.list('past-consensuses')).toHaveLength(2)
  })
})

describe('a relay', () => {
  const options = buildConfig([parseConfigText(`TestingTorNetwork 1\nDataDirectory d\nORPort 10.0.0.9:9001\nNickname relay\nContactInfo x\nDirAuthority a orport=5000 v3ident=${certificate.identityFingerprint} 10.0.0.1:7000 ${'1'.repeat(40)}`, 'torrc')]).options

  /** A directory that goes from one consensus to the next, and a relay that follows. What was asked and answered is kept. */
  function follow(change: (response: HttpResponse, request: HttpRequest) => HttpResponse, hours0 = [0, 1, 2]) {
    const simulation = world(later(start, minutes(1)))
    const exchanges: { diffFrom: string | undefined; gotDiff: boolean }[] = []
    const directory = simulation.addMachine({ name: 'directory', addresses: ['10.0.0.1'] }).boot()
    const { cache, server } = holding(directory)
    const asked = {
      handle: (request: HttpRequest): HttpResponse => {
        const response = change(server.handle(request, undefined), request)
        const text = latin1Decode(decodeBody(headerOf(response, 'content-encoding'), response.body))
        if (request.target.includes('/consensus/') && response.status === 200) exchanges.push({ diffFrom: headerOf(request, 'x-or-diff-from-consensus'), gotDiff: isConsensusDiff(text) })
        return response
      },
    }
    const connections = new DirServerConnections(directory, asked)
    directory.network.listen({ host: '10.0.0.1', port: 7000 }, { onListening: () => {}, onConnection: (stream) => connections.serve(stream, undefined), onError: (error) => { throw error } })
    for (const hour of hours0) directory.setTimer(durationMs(hours(hour)), () => cache.setConsensus(consensusOf(hour)))

    const relay = simulation.addMachine({ name: 'relay', addresses: ['10.0.0.9'] }).boot()
    const followed = new DirCache(relay, trusted)
    const held: number[] = []
    followed.listen({ consensusChanged: (consensus) => held.push((consensus.validAfter - start) / hours(1)) })
    const noTunnel = { send: () => { throw new Error('relays use directory ports') } }
    new ConsensusClient(relay, followed, new DirSources({ runtime: relay, options, dirPort: new DirPortTransport(relay, undefined), beginDir: noTunnel }), true).start()
    simulation.runFor(hours(4))
    return { exchanges, held }
  }

  test('asks for what changed in the consensus it holds, and applies it', () => {
    const { exchanges, held } = follow((response) => response)
    expect(held).toEqual([0, 1, 2])
    expect(exchanges).toEqual([
      { diffFrom: undefined, gotDiff: false },
      { diffFrom: digestOf(consensusOf(0)), gotDiff: true },
      { diffFrom: digestOf(consensusOf(1)), gotDiff: true },
    ])
  })

  test('asks for the whole consensus when a diff does not apply', () => {
    const { exchanges, held } = follow((response, request) => {
      const text = latin1Decode(decodeBody(headerOf(response, 'content-encoding'), response.body))
      if (!isConsensusDiff(text)) return response
      expect(request.method).toBe('GET')
      return { status: 200, reason: 'OK', headers: [], body: latin1Encode(text.replace(/^r /m, 's ')) }
    }, [0, 1])
    expect(held).toEqual([0, 1])
    expect(exchanges.map((one) => [one.diffFrom !== undefined, one.gotDiff])).toEqual([[false, false], [true, true], [false, false]])
  })

  test('does not ask for diffs from an old consensus', () => {
    const { exchanges, held } = follow((response) => response, [0, 3])
    expect(held).toEqual([0, 3])
    expect(exchanges.map((one) => one.gotDiff)).toEqual([false, true])
    const simulation = world(later(start, hours(80)))
    const machine = simulation.addMachine({ name: 'late', addresses: ['10.0.0.9'] })
    const relay = machine.boot()
    const cache = new DirCache(relay, trusted)
    cache.addCertificates([certificate])
    cache.setConsensus(consensusOf(0))
    const headers: HttpHeader[][] = []
    const dirPort = { send: (_: unknown, request: { headers?: readonly HttpHeader[] }) => { headers.push([...(request.headers ?? [])]); return { cancel: () => {} } } }
    const client = new ConsensusClient(relay, cache, new DirSources({ runtime: relay, options, dirPort, beginDir: dirPort }), true)
    client.fetchNow()
    expect(headers.map((some) => some.map((one) => one.name))).toContainEqual(['If-Modified-Since'])
    simulation.runFor(seconds(1))
  })

  describe('that is told to ask now', () => {
    const withGone = buildConfig([parseConfigText(`TestingTorNetwork 1\nDataDirectory d\nORPort 10.0.0.9:9001\nNickname relay\nContactInfo x\nDirAuthority a orport=5000 v3ident=${certificate.identityFingerprint} 10.0.0.1:7000 ${'1'.repeat(40)}\nDirAuthority gone orport=5000 v3ident=${'F'.repeat(40)} 10.0.0.2:7000 ${'2'.repeat(40)}`, 'torrc')]).options

    /** A relay with the consensus of hour 0, an authority that answers, and one that does not run. */
    function between() {
      const simulation = world(later(start, minutes(1)))
      const directory = simulation.addMachine({ name: 'directory', addresses: ['10.0.0.1'] }).boot()
      simulation.addMachine({ name: 'gone', addresses: ['10.0.0.2'] })
      const { cache, server } = holding(directory, consensusOf(0))
      const answers: number[] = []
      const noting = {
        handle: (request: HttpRequest): HttpResponse => {
          const response = server.handle(request, undefined)
          if (request.target.includes('/consensus/')) answers.push(response.status)
          return response
        },
      }
      const connections = new DirServerConnections(directory, noting)
      directory.network.listen({ host: '10.0.0.1', port: 7000 }, { onListening: () => {}, onConnection: (stream) => connections.serve(stream, undefined), onError: (error) => { throw error } })
      const relay = simulation.addMachine({ name: 'relay', addresses: ['10.0.0.9'] }).boot()
      const followed = new DirCache(relay, trusted)
      followed.addCertificates([certificate])
      followed.setConsensus(consensusOf(0))
      const noTunnel = { send: () => { throw new Error('relays use directory ports') } }
      const client = new ConsensusClient(relay, followed, new DirSources({ runtime: relay, options: withGone, dirPort: new DirPortTransport(relay, undefined), beginDir: noTunnel }), true)
      client.start()
      simulation.runFor(seconds(10))
      return { simulation, cache, followed, client, answers }
    }

    test('asks another authority when one does not answer', () => {
      const { simulation, cache, followed, client } = between()
      for (let hour = 1; hour <= 8; hour++) {
        cache.setConsensus(consensusOf(hour))
        client.fetchNow()
        simulation.runFor(seconds(2))
        expect(followed.consensus('ns')?.validAfter).toBe(consensusOf(hour).validAfter)
      }
    })

    test('is content with the answer that there is no news', () => {
      const { simulation, client, answers } = between()
      for (let time = 1; time <= 8; time++) {
        client.fetchNow()
        simulation.runFor(minutes(1))
        expect(answers).toEqual(Array<number>(time).fill(304))
      }
    })
  })
})
