/** The first consensus of a test network: nodes that start before it wait for it, at the directory that then gives them all else. */

import { expect, test } from 'vitest'
import { latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import { later, minutes, seconds } from '../../src/core/base/time.ts'
import { parseAuthorityCertificates, verifyAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { parseConsensus, verifyConsensus } from '../../src/core/netdoc/consensus.ts'
import { parseMicrodescriptors } from '../../src/core/netdoc/microdescriptor.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import { DirCache } from '../../src/node/dir-cache.ts'
import { DirClient } from '../../src/node/dir-client.ts'
import { ConsensusWaits } from '../../src/node/dir-consensus-waits.ts'
import { CONSENSUS_WAIT_MAX, FIRST_CONSENSUS_WAIT } from '../../src/node/dir-limits.ts'
import { DirServerConnections } from '../../src/node/dir-server-connection.ts'
import { DirServer } from '../../src/node/dir-server.ts'
import { DirSources, trustedIdentities } from '../../src/node/dir-sources.ts'
import { DirPortTransport, type DirTransport } from '../../src/node/dir-transport.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { captured } from '../core/netdoc/vectors.ts'

const certificates = parseAuthorityCertificates(captured('certificates')).map(verifyAuthorityCertificate)
const { validAfter } = parseConsensus(captured('consensus-ns'))
const authorities = certificates.map((one, i) => `DirAuthority a${i} orport=5000 v3ident=${one.identityFingerprint} 10.0.0.${i + 1}:7000 ${`${i}`.repeat(40)}`)
const options = buildConfig([parseConfigText(`TestingTorNetwork 1\nDataDirectory d\n${authorities.join('\n')}\nSocksPort 9050\n`, 'torrc')]).options
const microdesc = '/tor/status-vote/current/consensus-microdesc'

/** Directories without a consensus; `publish` gives one of them all documents. */
function world() {
  const simulation = new Simulation({ seed: 'first consensus', start: later(validAfter, seconds(1)) })
  const publishing = authorities.map((_, i) => {
    const runtime = simulation.addMachine({ name: `a${i}`, addresses: [`10.0.0.${i + 1}`] }).boot()
    const cache = new DirCache(runtime, trustedIdentities(options))
    const server = new DirServer({ runtime, cache, waits: new ConsensusWaits(runtime, cache) })
    const connections = new DirServerConnections(runtime, server)
    runtime.network.listen({ host: `10.0.0.${i + 1}`, port: 7000 }, { onListening: () => {}, onConnection: (stream) => connections.serve(stream, stream.remote), onError: (error) => { throw error } })
    return (): void => {
      cache.addCertificates(certificates)
      cache.addMicrodescriptors(parseMicrodescriptors(captured('microdescriptors')))
      cache.setConsensus(verifyConsensus(parseConsensus(captured('consensus-microdesc')), cache.trusted, cache.certificateOf, runtime.wallNow()))
    }
  })
  const runtime = simulation.addMachine({ name: 'node', addresses: ['10.0.0.9'] }).boot()
  return { simulation, runtime, publish: (i: number) => publishing[i]?.() }
}

/** What a directory answers to a request with these headers, and when. */
function ask({ runtime }: ReturnType<typeof world>, headers: string): { text: string; afterMs: number | undefined } {
  const answer: { text: string; afterMs: number | undefined } = { text: '', afterMs: undefined }
  const began = runtime.monotonicNow()
  runtime.network.dial({ target: { host: '10.0.0.1', port: 7000 }, timeout: seconds(5) }, {
    onConnect: (stream) => {
      stream.start({ onData: (chunk) => { answer.text += latin1Decode(chunk) }, onEnd: () => { answer.afterMs = runtime.monotonicNow() - began }, onDrain: () => {}, onClose: () => {} })
      stream.write(latin1Encode(`GET ${microdesc} HTTP/1.0\r\n${headers}\r\n`))
    },
    onError: (error) => { throw error },
  })
  return answer
}

test('a client waits where it asked, and gets all it needs there at once', () => {
  const network = world()
  const { simulation, runtime } = network
  const asked: string[] = []
  const plain = new DirPortTransport(runtime, undefined)
  const beginDir: DirTransport = {
    send: (directory, request, handlers) => {
      asked.push(`${directory.name} ${request.target.split('/').slice(0, 4).join('/')}`)
      return plain.send(directory, request, handlers)
    },
  }
  const cache = new DirCache(runtime, trustedIdentities(options))
  const client = new DirClient(runtime, options, cache, new DirSources({ runtime, options, dirPort: plain, beginDir }))
  client.start()
  simulation.runFor(seconds(1))
  expect(asked).toHaveLength(1)
  const chosen = Number(/^a(\d)/.exec(asked[0] ?? '')?.[1])
  network.publish(chosen)
  const published = runtime.monotonicNow()
  expect(simulation.runUntil(() => client.counts().held === 6, seconds(5))).toBe(true)
  expect(runtime.monotonicNow() - published).toBeLessThan(500)
  expect(asked).toEqual(['/tor/status-vote/current', '/tor/keys/fp-sk', '/tor/micro/d'].map((target) => `a${chosen} ${target}`))
})

test('a client that has waited in vain asks another directory', () => {
  const network = world()
  const { simulation, runtime } = network
  const asked: string[] = []
  const transport = new DirPortTransport(runtime, undefined)
  const beginDir: DirTransport = { send: (directory, request, handlers) => { asked.push(directory.name); return transport.send(directory, request, handlers) } }
  const cache = new DirCache(runtime, trustedIdentities(options))
  new DirClient(runtime, options, cache, new DirSources({ runtime, options, dirPort: transport, beginDir })).start()
  simulation.runFor(FIRST_CONSENSUS_WAIT)
  expect(asked).toHaveLength(1)
  simulation.runFor(seconds(1))
  expect(asked).toHaveLength(2)
  expect(asked[1]).not.toBe(asked[0])
})

test('a directory lets only those wait who say so, as long as they say, and not for ever', () => {
  const network = world()
  const answers = [ask(network, ''), ask(network, 'Prefer: respond-async, wait=1\r\n'), ask(network, 'Prefer: wait=9999\r\n'), ask(network, 'Prefer: await=1\r\n')]
  network.simulation.runFor(minutes(1))
  for (const answer of answers) expect(answer.text).toContain('HTTP/1.0 404')
  const [now, second, longest, other] = answers.map((answer) => answer.afterMs ?? Infinity)
  expect(now).toBeLessThan(100)
  expect(other).toBeLessThan(100)
  expect(Math.floor((second ?? 0) / 1000)).toBe(1)
  expect(Math.floor((longest ?? 0) / 1000)).toBe(CONSENSUS_WAIT_MAX / 1000)
})

test('who waits is answered with the consensus that comes, and who hung up is forgotten', () => {
  const network = world()
  const { simulation, runtime } = network
  runtime.network.dial({ target: { host: '10.0.0.1', port: 7000 }, timeout: seconds(5) }, {
    onConnect: (stream) => {
      stream.start({ onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} })
      stream.write(latin1Encode(`GET ${microdesc} HTTP/1.0\r\nPrefer: wait=9\r\n\r\n`))
      runtime.setTimer(seconds(1), () => stream.destroy())
    },
    onError: (error) => { throw error },
  })
  const waiting = ask(network, 'Prefer: wait=9\r\n')
  simulation.runFor(seconds(3))
  expect(waiting.text).toBe('')
  network.publish(0)
  simulation.runFor(seconds(1))
  expect(waiting.text).toContain('HTTP/1.0 200')
  expect(waiting.afterMs).toBeLessThan(4000)
})
