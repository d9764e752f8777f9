/**
 * What every Runtime promises, as one suite: `test/host` and `test/sim` run it, each with its own world. A test speaks
 * to two runtimes, `near` and `far`, that reach each other.
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { must } from '../../src/core/base/assert.ts'
import { concatBytes, utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import type { RelishError } from '../../src/core/base/errors.ts'
import { durationMs, later, seconds } from '../../src/core/base/time.ts'
import type { RsaPrivateKey } from '../../src/core/crypto/rsa.ts'
import { signX509 } from '../../src/core/cert/x509.ts'
import { sha256 } from '../../src/core/crypto/hashes.ts'
import type { ByteStream, DialOptions, ResolveResult, Runtime, SecureByteStream, SocketAddress, TlsIdentity } from '../../src/runtime/index.ts'

export interface ContractWorld {
  readonly near: Runtime
  readonly far: Runtime
  /** An IPv4 and an IPv6 address that `far` may listen on and `near` reaches. */
  readonly farHost: string
  readonly farHost6: string
  /** An address of `near`, to dial from. */
  readonly nearHost: string
  /** A name with the address 192.0.2.7 in the world's resolver, one that does not exist, and an address without a name. */
  readonly knownName: string
  readonly unknownName: string
  readonly namelessAddress: string
  /** A way to dial that never gets an answer. */
  readonly silent: Pick<DialOptions, 'target' | 'httpsProxy'>
  /** Lets the world go on until `condition` holds; fails after ten seconds of its time. */
  until(what: string, condition: () => boolean): Promise<void>
  /** What handlers threw. */
  readonly bugs: readonly RelishError[]
  close(): void
}

/** A stream with everything that happened to it. */
class Recorded {
  readonly stream: ByteStream
  readonly chunks: Uint8Array[] = []
  bytes = 0
  largestChunk = 0
  ended = false
  drains = 0
  closed = false
  error: RelishError | undefined
  afterClose = 0

  constructor(stream: ByteStream, onData?: (chunk: Uint8Array, self: Recorded) => void) {
    this.stream = stream
    stream.start({
      onData: (chunk) => {
        if (this.closed) this.afterClose++
        this.chunks.push(chunk.slice())
        this.bytes += chunk.length
        this.largestChunk = Math.max(this.largestChunk, chunk.length)
        onData?.(chunk, this)
      },
      onEnd: () => {
        if (this.closed) this.afterClose++
        this.ended = true
      },
      onDrain: () => {
        this.drains++
      },
      onClose: (error) => {
        if (this.closed) this.afterClose++
        this.closed = true
        this.error = error
      },
    })
  }

  text(): string {
    return utf8Decode(concatBytes(this.chunks))
  }
}

const patience = seconds(5)

export function runtimeContract(name: string, makeWorld: () => Promise<ContractWorld>): void {
  describe(`${name} keeps the contract of Runtime`, () => {
    let world: ContractWorld

    beforeEach(async () => {
      world = await makeWorld()
    })

    afterEach(() => {
      world.close()
    })

    async function listening(host = world.farHost, port = 0): Promise<{ address: SocketAddress; accepted: ByteStream[]; close(): void }> {
      let address: SocketAddress | undefined
      const accepted: ByteStream[] = []
      const listener = world.far.network.listen({ host, port }, {
        onListening: (bound) => (address = bound),
        onConnection: (stream) => accepted.push(stream),
        onError: (error) => {
          throw error
        },
      })
      await world.until('listening', () => address !== undefined)
      return { address: must(address, 'bound'), accepted, close: () => listener.close() }
    }

    async function pair(options: Partial<DialOptions> = {}): Promise<{ near: ByteStream; far: ByteStream }> {
      const listener = await listening()
      let near: ByteStream | undefined
      world.near.network.dial({ target: listener.address, timeout: patience, ...options }, {
        onConnect: (stream) => (near = stream),
        onError: (error) => {
          throw error
        },
      })
      await world.until('connected', () => near !== undefined && listener.accepted.length === 1)
      listener.close()
      return { near: must(near, 'dialled'), far: must(listener.accepted[0], 'accepted') }
    }

    async function dialError(options: DialOptions): Promise<RelishError> {
      let found: RelishError | undefined
      world.near.network.dial(options, {
        onConnect: () => {
          throw new Error('connected')
        },
        onError: (error) => (found = error),
      })
      expect(found, 'a callback inside the call that registered it').toBeUndefined()
      await world.until('an error', () => found !== undefined)
      return must(found, 'an error')
    }

    async function identity(runtime: Runtime): Promise<TlsIdentity> {
      let signer: RsaPrivateKey | undefined
      runtime.generateRsaKey(1024, (key) => (signer = key))
      await world.until('an RSA key', () => signer !== undefined)
      const key = runtime.generateTlsKey()
      const now = runtime.wallNow()
      const certificateDer = signX509(must(signer, 'a key'), {
        subject: 'www.example.net',
        issuer: 'www.example.com',
        publicKeyDer: key.publicKeyDer,
        notBefore: later(now, seconds(-86_400)),
        notAfter: later(now, seconds(86_400)),
        serial: Uint8Array.of(1, 2, 3),
      })
      return { certificateDer, privateKeyDer: key.privateKeyDer }
    }

    async function securePair(): Promise<{ near: SecureByteStream; far: SecureByteStream; shown: TlsIdentity }> {
      const shown = await identity(world.far)
      let address: SocketAddress | undefined
      let far: SecureByteStream | undefined
      let near: SecureByteStream | undefined
      world.far.network.listenSecure({ host: world.farHost, port: 0 }, () => shown, {
        onListening: (bound) => (address = bound),
        onConnection: (stream) => (far = stream),
        onError: (error) => {
          throw error
        },
      })
      await world.until('listening', () => address !== undefined)
      world.near.network.dialSecure({ target: must(address, 'bound'), timeout: patience }, {
        onConnect: (stream) => (near = stream),
        onError: (error) => {
          throw error
        },
      })
      await world.until('connected', () => near !== undefined && far !== undefined)
      return { near: must(near, 'dialled'), far: must(far, 'accepted'), shown }
    }

    describe('streams', () => {
      it('carry bytes both ways, in order, and know their addresses', async () => {
        const { near, far } = await pair({ localHost: world.nearHost })
        expect(near.local.host).toBe(world.nearHost)
        expect(far.remote).toEqual(near.local)
        expect(near.remote).toEqual(far.local)
        const a = new Recorded(near)
        const b = new Recorded(far)
        for (const word of ['one ', 'two ', 'three']) near.write(utf8Encode(word))
        far.write(utf8Encode('back'))
        await world.until('the words', () => b.bytes === 13 && a.bytes === 4)
        expect(b.text()).toBe('one two three')
        expect(a.text()).toBe('back')
        // Writes of one turn leave together.
        expect(b.chunks).toHaveLength(1)
      })

      it('keep what arrives before start until start', async () => {
        const { near, far } = await pair()
        new Recorded(near)
        near.write(utf8Encode('early'))
        near.end()
        let later = false
        world.far.setTimer(durationMs(50), () => (later = true))
        await world.until('a while', () => later)
        const b = new Recorded(far)
        expect(b.bytes).toBe(0)
        await world.until('the early words', () => b.ended)
        expect(b.text()).toBe('early')
      })

      it('half close: the other direction goes on', async () => {
        const { near, far } = await pair()
        const a = new Recorded(near)
        const b = new Recorded(far)
        near.write(utf8Encode('question'))
        near.end()
        expect(near.write(utf8Encode('lost'))).toBe(false)
        await world.until('the end', () => b.ended)
        expect(b.text()).toBe('question')
        expect(b.closed).toBe(false)
        far.write(utf8Encode('answer'))
        far.end()
        await world.until('both closed', () => a.closed && b.closed)
        expect(a.text()).toBe('answer')
        expect(a.ended).toBe(true)
        expect([a.error, b.error, a.afterClose, b.afterClose]).toEqual([undefined, undefined, 0, 0])
      })

      it('send what is buffered before the end', async () => {
        const { near, far } = await pair()
        new Recorded(near)
        const b = new Recorded(far)
        const total = 3 * 1024 * 1024
        for (let i = 0; i < 3; i++) near.write(new Uint8Array(1024 * 1024).fill(i))
        near.end()
        await world.until('everything', () => b.ended)
        expect(b.bytes).toBe(total)
        expect(b.largestChunk).toBeLessThanOrEqual(64 * 1024)
        const all = concatBytes(b.chunks)
        expect([all[0], all[total / 2], all[total - 1]]).toEqual([0, 1, 2])
      })

      it('push back on a writer when the reader pauses, and let go again', async () => {
        const { near, far } = await pair()
        const a = new Recorded(near)
        const b = new Recorded(far)
        far.pauseReading()
        let written = 0
        let more = true
        const chunk = 16 * 1024
        // The kernel's buffers swallow some megabytes before anything is felt.
        for (let i = 0; i < 4096 && more; i++) {
          more = near.write(new Uint8Array(chunk))
          written += chunk
        }
        expect(more).toBe(false)
        await world.until('a flush', () => near.bufferedBytes < written)
        for (let i = 0; i < 4096 && near.bufferedBytes < 256 * 1024; i++) {
          near.write(new Uint8Array(chunk))
          written += chunk
          let turn = false
          world.near.setTimer(durationMs(1), () => (turn = true))
          await world.until('a turn', () => turn)
        }
        const drainsBefore = a.drains
        expect(near.write(new Uint8Array(chunk))).toBe(false)
        written += chunk
        expect(near.bufferedBytes).toBeGreaterThan(256 * 1024)
        far.resumeReading()
        await world.until('drained', () => a.drains > drainsBefore)
        expect(near.bufferedBytes).toBeLessThanOrEqual(64 * 1024)
        await world.until('all arrived', () => b.bytes === written)
      })

      it('pause from inside a handler', async () => {
        const { near, far } = await pair()
        new Recorded(near)
        const b = new Recorded(far, (_chunk, self) => self.stream.pauseReading())
        near.write(new Uint8Array(300 * 1024))
        await world.until('the first chunk', () => b.chunks.length > 0)
        let later = false
        world.far.setTimer(durationMs(50), () => (later = true))
        await world.until('a while', () => later)
        expect(b.chunks).toHaveLength(1)
        for (let i = 0; i < 300 && b.bytes < 300 * 1024; i++) {
          const before = b.bytes
          far.resumeReading()
          await world.until('one more chunk', () => b.bytes > before)
        }
        expect(b.bytes).toBe(300 * 1024)
      })

      it('a reader that pauses gets all that came before the end, when it resumes', async () => {
        const { near, far } = await pair()
        const a = new Recorded(near)
        const b = new Recorded(far, (_chunk, self) => self.stream.pauseReading())
        far.end()
        near.write(new Uint8Array(200 * 1024))
        near.end()
        await world.until('the first chunk', () => b.chunks.length > 0)
        let later = false
        world.far.setTimer(durationMs(50), () => (later = true))
        await world.until('a while', () => later)
        expect([b.ended, b.closed]).toEqual([false, false])
        for (let i = 0; i < 200 && !b.ended; i++) {
          const before = b.bytes
          far.resumeReading()
          await world.until('more, or the end', () => b.bytes > before || b.ended)
        }
        await world.until('both closed', () => a.closed && b.closed)
        expect(b.bytes).toBe(200 * 1024)
        expect([a.error, b.error]).toEqual([undefined, undefined])
      })

      it('destroy drops what is buffered, tells the peer, and closes once', async () => {
        const { near, far } = await pair()
        const a = new Recorded(near)
        const b = new Recorded(far)
        near.write(new Uint8Array(1024))
        near.destroy()
        expect(a.closed).toBe(false)
        expect(near.bufferedBytes).toBe(0)
        await world.until('closed', () => a.closed && b.ended)
        expect(a.error).toBeUndefined()
        near.destroy()
        near.end()
        expect(near.write(new Uint8Array(1))).toBe(false)
        far.end()
        await world.until('the peer too', () => b.closed)
        expect([a.afterClose, b.afterClose]).toEqual([0, 0])
      })

      it('tell a writer that the peer is gone', async () => {
        const { near, far } = await pair()
        const a = new Recorded(near)
        const b = new Recorded(far)
        near.destroy()
        await world.until('gone', () => a.closed && b.ended)
        far.write(new Uint8Array(1024))
        let later = false
        world.far.setTimer(durationMs(50), () => (later = true))
        await world.until('a while', () => later)
        far.write(new Uint8Array(1024))
        await world.until('the error', () => b.closed)
        expect(b.error?.kind).toBe('local-io')
      })

      it('go over IPv6', async () => {
        const listener = await listening(world.farHost6)
        let near: ByteStream | undefined
        world.near.network.dial({ target: listener.address, timeout: patience }, { onConnect: (s) => (near = s), onError: (e) => { throw e } })
        await world.until('connected', () => near !== undefined && listener.accepted.length === 1)
        expect(near?.remote.host).toBe(world.farHost6)
        const b = new Recorded(must(listener.accepted[0], 'accepted'))
        new Recorded(must(near, 'dialled')).stream.write(utf8Encode('six'))
        await world.until('the word', () => b.text() === 'six')
      })
    })

    describe('dialling and listening', () => {
      it('refused', async () => {
        const listener = await listening()
        listener.close()
        let turn = false
        world.far.setTimer(durationMs(5), () => (turn = true))
        await world.until('closed', () => turn)
        expect((await dialError({ target: listener.address, timeout: patience })).kind).toBe('refused')
      })

      it('times out', async () => {
        const before = world.near.monotonicNow()
        const error = await dialError({ ...world.silent, timeout: durationMs(80) })
        expect(error.kind).toBe('timeout')
        expect(world.near.monotonicNow() - before).toBeGreaterThanOrEqual(79)
      })

      it('cannot dial from an address that is not ours, nor to a name', async () => {
        const listener = await listening()
        expect((await dialError({ target: listener.address, timeout: patience, localHost: '203.0.113.9' })).kind).toBe('local-io')
        expect((await dialError({ target: { host: 'a.name.example', port: 80 }, timeout: patience })).kind).toBe('local-io')
      })

      it('a cancelled dial calls nobody', async () => {
        const listener = await listening()
        let called = 0
        const dial = world.near.network.dial({ target: listener.address, timeout: patience }, { onConnect: () => called++, onError: () => called++ })
        dial.cancel()
        let later = false
        world.near.setTimer(durationMs(50), () => (later = true))
        await world.until('a while', () => later)
        expect(called).toBe(0)
        dial.cancel()
      })

      it('an address in use is an error of the second listener', async () => {
        const listener = await listening()
        let error: RelishError | undefined
        world.far.network.listen(listener.address, { onListening: () => undefined, onConnection: () => undefined, onError: (e) => (error = e) })
        await world.until('the error', () => error !== undefined)
        expect(error?.kind).toBe('local-io')
      })

      it('closing a listener leaves its streams', async () => {
        const { near, far } = await pair()
        const b = new Recorded(far)
        new Recorded(near).stream.write(utf8Encode('still here'))
        await world.until('the words', () => b.text() === 'still here')
      })
    })

    describe('secure streams', () => {
      it('show the listener’s certificate and no other', async () => {
        const { near, far, shown } = await securePair()
        expect(near.peerCertificate).toEqual(shown.certificateDer)
        expect(far.localCertificate).toEqual(shown.certificateDer)
        expect(near.localCertificate).toBeUndefined()
        expect(far.peerCertificate).toBeUndefined()
      })

      it('export the same keying material at both ends, and another for each label, context and connection', async () => {
        const { near, far } = await securePair()
        const label = 'EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003'
        const context = sha256(utf8Encode('context'))
        const exported = near.exportKeyingMaterial(32, label, context)
        expect(exported).toHaveLength(32)
        expect(far.exportKeyingMaterial(32, label, context)).toEqual(exported)
        expect(near.exportKeyingMaterial(32, label, new Uint8Array(0))).not.toEqual(exported)
        expect(near.exportKeyingMaterial(32, label, new Uint8Array(0))).toEqual(far.exportKeyingMaterial(32, label, new Uint8Array(0)))
        expect(near.exportKeyingMaterial(32, 'EXPORTER another', context)).not.toEqual(exported)
        const other = await securePair()
        expect(other.near.exportKeyingMaterial(32, label, context)).not.toEqual(exported)
      })

      it('carry bytes and half close', async () => {
        const { near, far } = await securePair()
        const a = new Recorded(near)
        const b = new Recorded(far)
        near.write(new Uint8Array(1_000_000).fill(7))
        near.end()
        await world.until('the end', () => b.ended)
        expect(b.bytes).toBe(1_000_000)
        far.write(utf8Encode('bye'))
        far.end()
        await world.until('both closed', () => a.closed && b.closed)
        expect(a.text()).toBe('bye')
        expect([a.error, b.error]).toEqual([undefined, undefined])
      })

      it('a listener without TLS makes the dial fail, and the other way round the listener hears nothing', async () => {
        const plain = await listening()
        let error: RelishError | undefined
        const dial = world.near.network.dialSecure({ target: plain.address, timeout: durationMs(200) }, { onConnect: () => { throw new Error('connected') }, onError: (e) => (error = e) })
        await world.until('accepted or failed', () => plain.accepted.length > 0 || error !== undefined)
        for (const stream of plain.accepted) new Recorded(stream).stream.write(utf8Encode('HTTP/1.0 400 Bad Request\r\n\r\n'))
        await world.until('the error', () => error !== undefined)
        expect(error?.kind).toBe('protocol')
        dial.cancel()
      })
    })

    describe('time', () => {
      it('timers run in order of their time, then of their making, never inside the call that made them', async () => {
        const order: string[] = []
        world.near.setTimer(durationMs(30), () => order.push('30'))
        world.near.setTimer(durationMs(10), () => order.push('10 first'))
        world.near.setTimer(durationMs(10), () => order.push('10 second'))
        const cancelled = world.near.setTimer(durationMs(20), () => order.push('cancelled'))
        world.near.setTimer(durationMs(0), () => order.push('0'))
        cancelled.cancel()
        cancelled.cancel()
        expect(order).toEqual([])
        await world.until('the last timer', () => order.includes('30'))
        expect(order).toEqual(['0', '10 first', '10 second', '30'])
      })

      it('a timer never fires early, and both clocks move', async () => {
        const monotonic = world.near.monotonicNow()
        const wall = world.near.wallNow()
        let fired: number | undefined
        world.near.setTimer(durationMs(40), () => (fired = world.near.monotonicNow()))
        await world.until('the timer', () => fired !== undefined)
        expect(must(fired, 'fired') - monotonic).toBeGreaterThanOrEqual(40)
        expect(world.near.wallNow() - wall).toBeGreaterThanOrEqual(39)
        expect(Number.isInteger(world.near.wallNow())).toBe(true)
      })

      it('what a handler throws goes to the owner, and the world goes on', async () => {
        let after = false
        world.near.setTimer(durationMs(1), () => {
          throw new Error('a mistake')
        })
        world.near.setTimer(durationMs(5), () => (after = true))
        await world.until('the next timer', () => after)
        expect(world.bugs.map((bug) => [bug.kind, bug.message])).toEqual([['bug', 'a mistake']])
      })
    })

    describe('randomness and keys', () => {
      it('one purpose is one stream that goes on', () => {
        const first = world.near.rng('x').bytes(16)
        const second = world.near.rng('x').bytes(16)
        expect(first).not.toEqual(second)
        expect(world.near.rng('x').derive('y').bytes(16)).not.toEqual(second)
        expect(world.far.rng('x').bytes(16)).not.toEqual(first)
      })

      it('makes RSA keys that answer later', async () => {
        let key: RsaPrivateKey | undefined
        world.near.generateRsaKey(1024, (made) => (key = made))
        expect(key).toBeUndefined()
        await world.until('a key', () => key !== undefined)
        expect(key?.publicKey.bits).toBe(1024)
        const digest = sha256(utf8Encode('signed'))
        expect(key?.publicKey.verifyDigest(digest, must(key, 'a key').signDigest(digest))).toBe(true)
      })
    })

    describe('files', () => {
      it('writes, reads, replaces, appends, removes and lists', () => {
        const files = world.near.files
        expect(files.read('keys/secret')).toBeUndefined()
        expect(files.list('keys')).toEqual([])
        expect(files.stat('keys/secret')).toBeUndefined()
        files.write('keys/secret', utf8Encode('one'))
        files.write('keys/another', utf8Encode('x'), 0o644)
        files.write('keys/secret', utf8Encode('three'))
        expect(utf8Decode(must(files.read('keys/secret'), 'written'))).toBe('three')
        expect(files.list('keys')).toEqual(['another', 'secret'])
        expect(files.list('')).toEqual(['keys'])
        files.append('log', utf8Encode('a'))
        files.append('log', utf8Encode('b'))
        expect(utf8Decode(must(files.read('log'), 'appended'))).toBe('ab')
        expect(files.stat('keys/secret')?.bytes).toBe(5)
        expect(Math.abs(must(files.stat('log'), 'appended').modified - world.near.wallNow())).toBeLessThan(60_000)
        files.remove('keys/secret')
        files.remove('keys/secret')
        expect(files.list('keys')).toEqual(['another'])
      })

      it('keeps a copy, not the caller’s bytes', () => {
        const bytes = utf8Encode('mine')
        world.near.files.write('f', bytes)
        bytes[0] = 0
        must(world.near.files.read('f'), 'written')[1] = 0
        expect(utf8Decode(must(world.near.files.read('f'), 'written'))).toBe('mine')
      })

      it('does not leave its folder', () => {
        for (const path of ['../x', '/x', 'a/../../x']) expect(() => world.near.files.write(path, new Uint8Array(1))).toThrow(/stay inside/)
      })
    })

    describe('resolver', () => {
      async function answer(ask: (onResult: (result: ResolveResult) => void) => void): Promise<ResolveResult> {
        let result: ResolveResult | undefined
        ask((given) => (result = given))
        expect(result).toBeUndefined()
        await world.until('an answer', () => result !== undefined)
        return must(result, 'an answer')
      }

      it('finds addresses with a time to live', async () => {
        const found = await answer((onResult) => world.near.resolver.resolve(world.knownName, onResult))
        expect(found).toMatchObject({ kind: 'addresses', addresses: ['192.0.2.7'] })
        expect(found.kind === 'addresses' && found.ttlSec > 0).toBe(true)
      })

      it('says that a name does not exist', async () => {
        expect(await answer((onResult) => world.near.resolver.resolve(world.unknownName, onResult))).toMatchObject({ kind: 'failed', transient: false })
      })

      it('finds names of addresses', async () => {
        expect(await answer((onResult) => world.near.resolver.reverse('192.0.2.7', onResult))).toMatchObject({ kind: 'names', names: [world.knownName] })
        expect(await answer((onResult) => world.near.resolver.reverse(world.namelessAddress, onResult))).toMatchObject({ kind: 'failed', transient: false })
      })
    })
  })
}
