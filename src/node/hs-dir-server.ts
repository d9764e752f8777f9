/**
 * Takes and serves descriptors of onion services (rend-spec-v3 §2.2.3 and §2.2.6): `POST /tor/hs/3/publish` and
 * `GET /tor/hs/3/KEY`. Only for those who come through a circuit of several hops, so that a directory does not learn who
 * runs or visits a service.
 */

import { base64EncodeUnpadded, latin1Decode } from '../core/base/encoding.ts'
import { asRelishError } from '../core/base/errors.ts'
import type { HttpRequest } from '../core/dirhttp/message.ts'
import { decodeBase64Fixed } from '../core/netdoc/base64.ts'
import type { Runtime } from '../runtime/index.ts'
import type { HsDirCache } from './hs-dir-cache.ts'

const PREFIX = '/tor/hs/'
const GET_PREFIX = '/tor/hs/3/'
const PUBLISH = '/tor/hs/3/publish'

export interface HsDirAnswer {
  readonly status: number
  readonly reason: string
  readonly body?: string
}

export class HsDirServer {
  readonly #runtime: Runtime
  readonly #cache: HsDirCache

  constructor(runtime: Runtime, cache: HsDirCache) {
    this.#runtime = runtime
    this.#cache = cache
  }

  /** Undefined when the request is about something else. `anonymous`: it came over a circuit from another relay. */
  handle(request: HttpRequest, anonymous: boolean): HsDirAnswer | undefined {
    const path = request.target.split('?')[0] ?? ''
    if (!path.startsWith(PREFIX)) return undefined
    // C tor's words and status.
    if (request.method === 'POST') return anonymous ? this.#publish(path, request.body) : { status: 503, reason: 'Rejecting single hop HS descriptor post' }
    if (request.method !== 'GET' || !path.startsWith(GET_PREFIX)) return { status: 404, reason: 'Not found' }
    return anonymous ? this.#fetch(path.slice(GET_PREFIX.length).replace(/\.z$/, '')) : { status: 503, reason: 'Rejecting single hop HS v3 descriptor request' }
  }

  #fetch(name: string): HsDirAnswer {
    const blindedKey = decodeBase64Fixed(name, 32)
    const text = blindedKey === undefined ? undefined : this.#cache.find(base64EncodeUnpadded(blindedKey))
    return text === undefined ? { status: 404, reason: 'Not found' } : { status: 200, reason: 'OK', body: text }
  }

  #publish(path: string, body: Uint8Array): HsDirAnswer {
    const rejected = { status: 400, reason: 'Invalid HS descriptor. Rejected.' }
    if (path !== PUBLISH) return rejected
    try {
      this.#cache.store(latin1Decode(body))
      return { status: 200, reason: 'HS descriptor stored successfully.' }
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#runtime.log.write('info', 'rend', `Refused a descriptor of an onion service: ${error.message}`)
      return rejected
    }
  }
}
