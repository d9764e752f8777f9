/**
 * Uploads a relay's descriptor and extra-info document to every authority (dir-spec §2.1), and again to those that did
 * not take it, until all have or a newer one takes its place.
 */

import { latin1Encode } from '../core/base/encoding.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { DIR_EXCHANGE_TIMEOUT } from './dir-limits.ts'
import { DownloadSchedule, paceFor } from './dir-schedule.ts'
import type { DirSource } from './dir-sources.ts'

interface Upload {
  readonly source: DirSource
  readonly schedule: DownloadSchedule
  state: 'wanted' | 'sending' | 'accepted' | 'refused'
  request: { cancel(): void } | undefined
  timer: Timer | undefined
}

export interface PublisherCallbacks {
  /** Every authority has taken the descriptor that was last published. */
  onPublished(): void
  /** One more has, or one has refused it. */
  onProgress?(): void
}

export class DescriptorPublisher {
  readonly #runtime: Runtime
  readonly #uploads: readonly Upload[]
  readonly #callbacks: PublisherCallbacks
  #body: Uint8Array | undefined

  /** `authorities`: where to upload, this node left out. */
  constructor(runtime: Runtime, authorities: readonly DirSource[], testing: boolean, callbacks: PublisherCallbacks) {
    this.#runtime = runtime
    this.#callbacks = callbacks
    const rng = runtime.rng('descriptor upload')
    this.#uploads = authorities.map((source) => ({ source, schedule: new DownloadSchedule(paceFor(testing), rng), state: 'wanted', request: undefined, timer: undefined }))
  }

  /** Uploads these texts in place of what was published before. */
  publish(descriptor: string, extraInfo: string | undefined): void {
    this.stop()
    // One body with both, as C tor sends them.
    this.#body = latin1Encode(descriptor + (extraInfo ?? ''))
    for (const upload of this.#uploads) {
      upload.state = 'wanted'
      upload.schedule.succeeded()
      this.#send(upload)
    }
  }

  /** Names of the authorities that have not taken it; empty when all have, and before anything was published. */
  waitingFor(): readonly string[] {
    return this.#body === undefined ? [] : this.#uploads.filter((upload) => upload.state !== 'accepted').map((upload) => upload.source.target.name)
  }

  stop(): void {
    for (const upload of this.#uploads) {
      upload.request?.cancel()
      upload.timer?.cancel()
      upload.request = undefined
      upload.timer = undefined
    }
  }

  #send(upload: Upload): void {
    const body = this.#body
    if (body === undefined) return
    upload.state = 'sending'
    const { source } = upload
    upload.request = source.transport.send(source.target, { method: 'POST', target: '/tor/', body, timeout: DIR_EXCHANGE_TIMEOUT }, {
      onResponse: (response) => {
        upload.request = undefined
        if (response.status === 200) this.#accepted(upload)
        else if (response.status === 400 || response.status === 403) this.#refused(upload, response.reason)
        else this.#again(upload, `${response.status} ${response.reason}`)
      },
      onFailed: (error) => {
        upload.request = undefined
        this.#again(upload, error.message)
      },
    })
  }

  #accepted(upload: Upload): void {
    upload.state = 'accepted'
    this.#runtime.log.write('info', 'dir', `${upload.source.target.name} has taken our descriptor`)
    this.#callbacks.onProgress?.()
    if (this.#uploads.every((one) => one.state === 'accepted')) this.#callbacks.onPublished()
  }

  /** Sending the same again will not help: the next descriptor may. */
  #refused(upload: Upload, reason: string): void {
    upload.state = 'refused'
    this.#runtime.log.write('warn', 'dir', `${upload.source.target.name} refused our descriptor: ${reason}`)
    this.#callbacks.onProgress?.()
  }

  #again(upload: Upload, why: string): void {
    upload.state = 'wanted'
    this.#runtime.log.write('info', 'dir', `Our descriptor did not reach ${upload.source.target.name}: ${why}`)
    const now = this.#runtime.monotonicNow()
    upload.schedule.failed(now)
    upload.timer = this.#runtime.setTimer(upload.schedule.waitFrom(now), () => {
      upload.timer = undefined
      this.#send(upload)
    })
  }
}
