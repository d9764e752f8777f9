/** A directory and a relay that fetches everything from it, in virtual time, with documents captured from C tor. */

import { describe, expect, test } from 'vitest'
import { latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import { hours, minutes, seconds, later } from '../../src/core/base/time.ts'
import { RequestParser } from '../../src/core/dirhttp/parser.ts'
import { headerOf, type HttpResponse } from '../../src/core/dirhttp/message.ts'
import { decodeBody } from '../../src/core/dirhttp/compression.ts'
import { parseAuthorityCertificates, verifyAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { parseConsensus, verifyConsensus } from '../../src/core/netdoc/consensus.ts'
import { parseExtraInfos, verifyExtraInfo } from '../../src/core/netdoc/extra-info.ts'
import { parseMicrodescriptors } from '../../src/core/netdoc/microdescriptor.ts'
import { parseServerDescriptors, verifyServerDescriptor } from '../../src/core/netdoc/server-descriptor.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import type { TorOptions } from '../../src/core/torrc/option-table.ts'
import type { AuthorityDocuments, UploadResult } from '../../src/node/dir-authority-documents.ts'
import { DirCache } from '../../src/node/dir-cache.ts'
import { DirClient } from '../../src/node/dir-client.ts'
import { DescriptorPublisher } from '../../src/node/dir-publisher.ts'
import { DirServerConnections } from '../../src/node/dir-server-connection.ts'
import { DirServer } from '../../src/node/dir-server.ts'
import { DirSources, trustedIdentities } from '../../src/node/dir-sources.ts'
import { DirPortTransport, type DirTransport } from '../../src/node/dir-transport.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { captured } from '../core/netdoc/vectors.ts'

const consensus = parseConsensus(captured('consensus-ns'))
const certificates = parseAuthorityCertificates(captured('certificates')).map(verifyAuthorityCertificate)

function optionsFrom(extra: string): TorOptions {
  const lines = certificates.map((one, i) => `DirAuthority a${i} orport=5000 v3ident=${one.identityFingerprint} 10.0.0.${i + 1}:7000 ${`${i}`.repeat(40)}`)
  return buildConfig([parseConfigText(`TestingTorNetwork 1\nDataDirectory d\n${lines.join('\n')}\n${extra}`, 'torrc')]).options
}

const relayOptions = optionsFrom('ORPort 10.0.0.9:9001\nNickname relay\nDownloadExtraInfo 1\nContactInfo x\n')

function filled(runtime: Runtime): DirCache {
  const cache = new DirCache(runtime, trustedIdentities(relayOptions))
  cache.addCertificates(certificates)
  for (const name of ['consensus-ns', 'consensus-microdesc']) {
    cache.setConsensus(verifyConsensus(parseConsensus(captured(name)), cache.trusted, cache.certificateOf, runtime.wallNow()))
  }
  const descriptors = parseServerDescriptors(captured('server-descriptors')).map((one) => verifyServerDescriptor(one, runtime.wallNow()))
  cache.addServerDescriptors(descriptors)
  cache.addExtraInfos(parseExtraInfos(captured('extra-info')).flatMap((one) => {
    const owner = descriptors.find((descriptor) => descriptor.fingerprint === one.fingerprint)
    return owner === undefined ? [] : [verifyExtraInfo(one, owner)]
  }))
  cache.addMicrodescriptors(parseMicrodescriptors(captured('microdescriptors')))
  return cache
}

class Uploads implements AuthorityDocuments {
  readonly received: string[] = []
  answer: UploadResult = { status: 200, reason: 'OK' }
  ownVote(): string | undefined { return undefined }
  voteByIdentity(_period: 'next' | 'current', identity: string): string | undefined { return identity === 'A'.repeat(40) ? 'vote\n' : undefined }
  voteByDigest(): string | undefined { return undefined }
  pendingConsensus(flavour: string): string | undefined { return `pending ${flavour}\n` }
  detachedSignatures(): string | undefined { return 'signatures\n' }
  bandwidthFile(): string | undefined { return undefined }
  receiveDescriptors(text: string): UploadResult { this.received.push(text); return this.answer }
  receiveVote(): UploadResult { return { status: 400, reason: 'bad\r\nvote' } }
  receiveSignatures(): UploadResult { return { status: 200, reason: 'OK' } }
}

const noTunnel: DirTransport = { send: () => { throw new Error('relays use directory ports') } }

function boot(machine: { boot(): Runtime }, program: (runtime: Runtime) => void): void {
  program(machine.boot())
}

function world(): Simulation {
  return new Simulation({ seed: 'dir', start: later(consensus.validAfter, seconds(1)) })
}

function startDirectory(simulation: Simulation, index: number, uploads?: Uploads, empty = false): DirServer {
  const machine = simulation.addMachine({ name: `a${index}`, addresses: [`10.0.0.${index + 1}`] })
  let server: DirServer | undefined
  boot(machine, (runtime) => {
    const cache = empty ? new DirCache(runtime, trustedIdentities(relayOptions)) : filled(runtime)
    server = new DirServer({ runtime, cache, ...(uploads === undefined ? {} : { authority: uploads }) })
    const connections = new DirServerConnections(runtime, server)
    runtime.network.listen({ host: `10.0.0.${index + 1}`, port: 7000 }, { onListening: () => {}, onConnection: (stream) => connections.serve(stream, stream.remote), onError: (error) => { throw error } })
  })
  if (server === undefined) throw new Error('not booted')
  return server
}

function get(server: DirServer, target: string, headers: { name: string; value: string }[] = []): HttpResponse & { text: string } {
  const response = server.handle({ method: 'GET', target, headers, body: new Uint8Array(0) }, { host: '192.0.2.7', port: 1 })
  return { ...response, text: latin1Decode(decodeBody(headerOf(response, 'content-encoding'), response.body)) }
}

describe('a directory', () => {
  const simulation = world()
  const uploads = new Uploads()
  const server = startDirectory(simulation, 0, uploads)

  test('serves what is named, in full and in part', () => {
    expect(get(server, '/tor/status-vote/current/consensus').text).toBe(captured('consensus-ns'))
    expect(get(server, '/tor/status-vote/current/consensus-microdesc.z').text).toBe(captured('consensus-microdesc'))
    const fingerprint = consensus.relays[0]?.fingerprint ?? ''
    expect(get(server, `/tor/server/fp/${fingerprint}+${'0'.repeat(40)}`).text).toContain('router ')
    expect(get(server, `/tor/extra/fp/${fingerprint}`).text).toContain('extra-info ')
    expect(get(server, '/tor/keys/all').text).toBe(captured('certificates'))
    const [one] = certificates
    expect(get(server, `/tor/keys/fp-sk/${one?.identityFingerprint}-${one?.signingKeyFingerprint}`).text).toBe(one?.text)
    const digests = parseMicrodescriptors(captured('microdescriptors')).map((md) => md.digestBase64)
    expect(parseMicrodescriptors(get(server, `/tor/micro/d/${digests.join('-')}`).text)).toHaveLength(6)
    expect(get(server, '/tor/status-vote/next/consensus-signatures').text).toBe('signatures\n')
    expect(get(server, '/tor/status-vote/next/consensus-microdesc').text).toBe('pending microdesc\n')
    expect(get(server, `/tor/status-vote/next/${'a'.repeat(40)}`).text).toBe('vote\n')
  })

  test('says no in the right way', () => {
    for (const target of ['/', '/tor/nothing', '/tor/server/fp/' + '0'.repeat(40), '/tor/status-vote/next/authority', '/tor/status-vote/current/consensus-other']) {
      expect([target, get(server, target).status]).toEqual([target, 404])
    }
    for (const target of ['/tor/server/fp/xyz', '/tor/micro/d/short', '/tor/keys/fp-sk/abc', `/tor/server/d/${Array(513).fill('0'.repeat(40)).join('+')}`]) {
      expect(get(server, target).status).toBe(400)
    }
    expect(server.handle({ method: 'PUT', target: '/', headers: [], body: new Uint8Array(0) }, undefined).status).toBe(405)
    const post = server.handle({ method: 'POST', target: '/tor/post/vote', headers: [], body: new Uint8Array(0) }, undefined)
    expect([post.status, post.reason]).toEqual([400, 'bad vote'])
  })

  test('wants a majority of the signers that a client names', () => {
    const known = certificates.map((one) => one.identityFingerprint.slice(0, 6))
    expect(get(server, `/tor/status-vote/current/consensus/${known.join('+')}`).status).toBe(200)
    expect(get(server, `/tor/status-vote/current/consensus/${known[0]}+000000`).status).toBe(404)
  })

  test('compresses, dates, and knows what has not changed', () => {
    const response = get(server, '/tor/status-vote/current/consensus', [{ name: 'Accept-Encoding', value: 'gzip' }])
    expect(headerOf(response, 'content-encoding')).toBe('gzip')
    expect(response.text).toBe(captured('consensus-ns'))
    expect(headerOf(response, 'x-your-address-is')).toBe('192.0.2.7')
    expect(headerOf(response, 'date')).toBeDefined()
    const since = (ms: number) => [{ name: 'If-Modified-Since', value: new Date(ms).toUTCString() }]
    expect(get(server, '/tor/status-vote/current/consensus', since(consensus.validAfter)).status).toBe(304)
    expect(get(server, '/tor/status-vote/current/consensus', since(consensus.validAfter - 1000)).status).toBe(200)
    expect(get(server, '/tor/status-vote/current/consensus', [{ name: 'If-Modified-Since', value: 'yesterday' }]).status).toBe(200)
  })

  test('closes on what is no request', () => {
    const client = simulation.addMachine({ name: 'stranger', addresses: ['10.0.0.77'] })
    let answer = ''
    let closed = false
    boot(client, (runtime) => {
      runtime.network.dial({ target: { host: '10.0.0.1', port: 7000 }, timeout: seconds(5) }, {
        onConnect: (stream) => {
          stream.start({ onData: (chunk) => { answer += latin1Decode(chunk) }, onEnd: () => {}, onDrain: () => {}, onClose: () => { closed = true } })
          stream.write(latin1Encode('NONSENSE\r\n\r\n'))
        },
        onError: (error) => { throw error },
      })
    })
    simulation.runUntil(() => closed, minutes(2))
    expect(answer).toContain('HTTP/1.0 400')
    expect(() => new RequestParser().feed(latin1Encode('NONSENSE\r\n\r\n'))).toThrow()
  })
})

test('a consensus that gains signatures takes the place of itself; an older or cut one does not', () => {
  const runtime = world().addMachine({ name: 'cache', addresses: ['10.0.0.50'] }).boot()
  const cache = new DirCache(runtime, trustedIdentities(relayOptions))
  cache.addCertificates(certificates)
  const whole = captured('consensus-ns')
  const lastSignature = whole.lastIndexOf('directory-signature ')
  const verify = (text: string) => verifyConsensus(parseConsensus(text), cache.trusted, cache.certificateOf, runtime.wallNow())
  const told: number[] = []
  cache.listen({ consensusChanged: (one) => told.push(one.signatures.length) })
  expect(cache.setConsensus(verify(whole.slice(0, lastSignature)))).toBe(true)
  const server = new DirServer({ runtime, cache })
  expect(get(server, '/tor/status-vote/current/consensus.z').text).toBe(whole.slice(0, lastSignature))
  expect(cache.setConsensus(verify(whole))).toBe(false)
  expect(get(server, '/tor/status-vote/current/consensus.z').text).toBe(whole)
  expect(cache.setConsensus(verify(whole.slice(0, lastSignature)))).toBe(false)
  expect([cache.consensus('ns')?.signatures.length, told]).toEqual([3, [2]])
})

describe('a relay', () => {
  function startRelay(simulation: Simulation, boots: { cache?: DirCache; client?: DirClient; events: string[] }): void {
    const machine = simulation.addMachine({ name: 'relay', addresses: ['10.0.0.9'] })
    boot(machine, (runtime) => {
      const cache = new DirCache(runtime, trustedIdentities(relayOptions))
      cache.listen({ consensusChanged: (one) => boots.events.push(one.flavour), descriptorsChanged: () => boots.events.push('descriptors') })
      const sources = new DirSources({ runtime, options: relayOptions, dirPort: new DirPortTransport(runtime, undefined), beginDir: noTunnel })
      boots.cache = cache
      boots.client = new DirClient(runtime, relayOptions, cache, sources)
      boots.client.start()
    })
  }

  test('fetches consensuses, certificates and descriptors, and keeps them over a restart', () => {
    const simulation = world()
    startDirectory(simulation, 0)
    startDirectory(simulation, 1, undefined, true)
    const state: { cache?: DirCache; client?: DirClient; events: string[] } = { events: [] }
    startRelay(simulation, state)
    expect(state.client?.waitingFor()).toContain('majority')
    const complete = (): boolean => {
      const { cache } = state
      return cache !== undefined && [...cache.microdescriptors()].length === 6 && [...cache.serverDescriptors()].length === 6 && [...cache.extraInfos()].length > 3
    }
    // One of three authorities is down and one has nothing: the third is found all the same.
    expect(simulation.runUntil(complete, seconds(20))).toBe(true)
    expect(state.cache?.consensus('ns')?.relays).toHaveLength(6)
    expect(state.events).toContain('microdesc')
    expect(state.client?.counts()).toEqual({ wanted: 6, held: 6 })

    const machine = simulation.machine('relay')
    expect(machine.files.list('').filter((name) => name.startsWith('cached-')).sort()).toEqual(
      expect.arrayContaining(['cached-certs', 'cached-consensus', 'cached-descriptors.new', 'cached-extrainfo.new', 'cached-microdesc-consensus', 'cached-microdescs.new']),
    )
    machine.crash()
    boot(machine, (runtime) => {
      const cache = new DirCache(runtime, trustedIdentities(relayOptions))
      expect(cache.consensus('microdesc')?.relays).toHaveLength(6)
      expect([...cache.microdescriptors()]).toHaveLength(6)
      expect([...cache.serverDescriptors()]).toHaveLength(6)
      expect([...cache.extraInfos()].length).toBeGreaterThan(3)
    })
  })

  test('publishes to every authority, also to those that start late', () => {
    const simulation = world()
    const uploads = [new Uploads(), new Uploads(), new Uploads()]
    startDirectory(simulation, 0, uploads[0], true)
    let published = false
    let publisher: DescriptorPublisher | undefined
    boot(simulation.addMachine({ name: 'relay', addresses: ['10.0.0.9'] }), (runtime) => {
      const sources = new DirSources({ runtime, options: relayOptions, dirPort: new DirPortTransport(runtime, undefined), beginDir: noTunnel })
      publisher = new DescriptorPublisher(runtime, sources.authorities.map((target) => sources.direct(target)), true, { onPublished: () => { published = true } })
      publisher.publish('router me\n', 'extra-info me\n')
    })
    simulation.runFor(seconds(1))
    expect(published).toBe(false)
    expect(publisher?.waitingFor()).toEqual(['a1', 'a2'])
    startDirectory(simulation, 1, uploads[1], true)
    startDirectory(simulation, 2, uploads[2], true)
    expect(simulation.runUntil(() => published, seconds(10))).toBe(true)
    expect(uploads.map((one) => one.received)).toEqual(uploads.map(() => ['router me\nextra-info me\n']))
    expect(publisher?.waitingFor()).toEqual([])
  })

  test('does not spin while nobody answers', () => {
    const simulation = world()
    const state: { events: string[] } = { events: [] }
    startRelay(simulation, state)
    simulation.runFor(hours(1))
    expect(state.events).toEqual([])
    expect(simulation.eventsRun).toBeLessThan(10_000)
  })
})
