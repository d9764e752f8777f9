/**
 * Replaces the ntor onion key when it has served its time, and forgets the one before it when clients cannot want it any
 * more (dir-spec §2.1.1 `ntor-onion-key`, param-spec §7 `onion-key-rotation-days` and `onion-key-grace-period-days`).
 */

import { asRelishError } from '../core/base/errors.ts'
import { between, hours, type WallMs } from '../core/base/time.ts'
import { rotateNtorKey, type RelayKeys } from '../core/cert/relay-keys.ts'
import { keyFilePaths } from '../core/ident/key-files.ts'
import type { Runtime, Timer } from '../runtime/index.ts'

/** How often the age of the keys is looked at. */
const CHECK_INTERVAL = hours(1)
const DAY = hours(24)

export interface OnionKeyRotationParts {
  readonly runtime: Runtime
  readonly keys: () => RelayKeys
  readonly setKeys: (keys: RelayKeys) => void
  readonly rotationDays: () => number
  readonly graceDays: () => number
}

export class OnionKeyRotation {
  readonly #parts: OnionKeyRotationParts
  #timer: Timer | undefined

  constructor(parts: OnionKeyRotationParts) {
    this.#parts = parts
  }

  start(): void {
    this.#timer = this.#parts.runtime.setTimer(CHECK_INTERVAL, () => {
      try {
        this.check()
      } catch (thrown) {
        // The key that there is stays in use: a relay with an old key is better than none.
        this.#parts.runtime.log.write('warn', 'general', `Unable to rotate the onion key: ${asRelishError(thrown).message}; will try again in an hour`)
      }
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Rotates or forgets what is due. */
  check(): void {
    const { runtime, keys, setKeys, rotationDays, graceDays } = this.#parts
    const since = this.#lastRotation()
    if (since === undefined) return
    const age = between(since, runtime.wallNow())
    if (age >= rotationDays() * DAY) {
      runtime.log.write('info', 'general', 'Rotating the onion key.')
      setKeys(rotateNtorKey(runtime.files, keys(), runtime.rng('onion keys')))
    } else if (age >= graceDays() * DAY && keys().ntorOnionKeyOld !== undefined) {
      runtime.files.remove(keyFilePaths.ntorOnionOld)
      setKeys({ ...keys(), ntorOnionKeyOld: undefined })
    }
  }

  /** The key's file is written when the key is made, and never after. */
  #lastRotation(): WallMs | undefined {
    return this.#parts.runtime.files.stat(keyFilePaths.ntorOnion)?.modified
  }
}
