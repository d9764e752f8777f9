/**
 * Relay encryption as Tor has had it from the start ("tor1"): AES in counter mode, and a running digest of which four
 * bytes in the header say "this cell is for you" (tor-spec §5.5 and §6.1). Onion services use the same with SHA3-256 and
 * AES-256 between client and service.
 *
 * The counter stream runs over all cells in order, so a whole batch is ciphered in one call. The digest runs over the
 * cells that end here only; a cell that merely looks like ours leaves it as it was.
 */

import { assert } from '../../base/assert.ts'
import { concatBytes } from '../../base/encoding.ts'
import { CELL_BODY_BYTES } from '../../cell/limits.ts'
import { AesCtrStream } from '../../crypto/aes.ts'
import { mayBeRecognized, Sha1CellDigest, Sha3CellDigest, TAG_BYTES, type CellDigest } from './cell-digest.ts'
import type { ClientLayer, Decrypted, Originated, RelayLayer } from './layer.ts'

interface Tor1Variant {
  readonly digest: 'sha1' | 'sha3-256'
  readonly digestBytes: number
  readonly keyBytes: number
}

const circuitVariant: Tor1Variant = { digest: 'sha1', digestBytes: 20, keyBytes: 16 }
const onionServiceVariant: Tor1Variant = { digest: 'sha3-256', digestBytes: 32, keyBytes: 32 }

/** Key material of a circuit hop: Df 20 | Db 20 | Kf 16 | Kb 16 (tor-spec §5.2.2). */
export const TOR1_KEY_BYTES = 72
/** Key material of the layer between client and onion service: Df 32 | Db 32 | Kf 32 | Kb 32 (rend-spec-v3 §4.3). */
export const TOR1_ONION_SERVICE_KEY_BYTES = 128

/** Both directions of one layer. */
class Tor1Layer {
  readonly forward: Tor1Direction
  readonly backward: Tor1Direction

  constructor(keys: Uint8Array) {
    const variant = keys.length === TOR1_ONION_SERVICE_KEY_BYTES ? onionServiceVariant : circuitVariant
    const { digestBytes, keyBytes } = variant
    assert(keys.length === 2 * (digestBytes + keyBytes), 'key material has the length of a tor1 layer')
    const cipherKeys = 2 * digestBytes
    this.forward = new Tor1Direction(variant, keys.subarray(0, digestBytes), keys.slice(cipherKeys, cipherKeys + keyBytes))
    this.backward = new Tor1Direction(variant, keys.subarray(digestBytes, cipherKeys), keys.slice(cipherKeys + keyBytes))
  }
}

class Tor1Direction {
  readonly #cipher: AesCtrStream
  readonly #digest: CellDigest

  constructor(variant: Tor1Variant, digestSeed: Uint8Array, key: Uint8Array) {
    this.#cipher = new AesCtrStream(key)
    this.#digest = variant.digest === 'sha1' ? new Sha1CellDigest(digestSeed) : new Sha3CellDigest(digestSeed)
  }

  /** Ciphers in place; the same operation both ways. */
  apply(payloads: Uint8Array): void {
    this.#cipher.applyInPlace(payloads)
  }

  /** Fills in the digests of unciphered bodies, then ciphers. */
  originate(payloads: Uint8Array): Originated {
    const tags = this.#digest.seal(payloads)
    return { payloads: this.#cipher.apply(payloads), tags }
  }

  /** Splits deciphered bodies, which it may change and hand on, into those that end here and the rest. */
  split(payloads: Uint8Array): Decrypted {
    const count = payloads.length / CELL_BODY_BYTES
    let tags: Uint8Array | undefined
    let recognized = 0
    let recognizedAt: number[] | undefined
    for (let index = 0; index < count; ) {
      if (!mayBeRecognized(payloads, index * CELL_BODY_BYTES)) {
        index++
        continue
      }
      tags ??= new Uint8Array((count - index) * TAG_BYTES)
      const found = this.#digest.recognize(payloads, index, tags, recognized * TAG_BYTES)
      // Most often all cells of a batch end here, or none.
      if (found > 0 && recognized !== index) recognizedAt ??= firstNumbers(recognized)
      for (let i = index; i < index + found; i++) recognizedAt?.push(i)
      recognized += found
      index += Math.max(1, found)
    }
    if (tags === undefined || recognized === 0) return { recognized: undefined, passing: payloads, recognizedAt: undefined }
    tags = tags.subarray(0, recognized * TAG_BYTES)
    if (recognized === count) return { recognized: { bodies: payloads, tags }, passing: undefined, recognizedAt: undefined }
    const places = recognizedAt ?? firstNumbers(recognized)
    return { recognized: { bodies: pick(payloads, (index) => places.includes(index)), tags }, passing: pick(payloads, (index) => !places.includes(index)), recognizedAt: places }
  }
}

const firstNumbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** The cells of a batch that `wanted` tells of, in order. */
function pick(payloads: Uint8Array, wanted: (index: number) => boolean): Uint8Array {
  const cells: Uint8Array[] = []
  for (let at = 0; at < payloads.length; at += CELL_BODY_BYTES) if (wanted(at / CELL_BODY_BYTES)) cells.push(payloads.subarray(at, at + CELL_BODY_BYTES))
  return concatBytes(cells)
}
/** The relay's end of a layer made from `keys`: 72 bytes. */
export class Tor1RelayLayer implements RelayLayer {
  readonly tagBytes = TAG_BYTES
  readonly #layer: Tor1Layer

  constructor(keys: Uint8Array) {
    this.#layer = new Tor1Layer(keys)
  }

  decryptForward(payloads: Uint8Array): Decrypted {
    const { forward } = this.#layer
    forward.apply(payloads)
    return forward.split(payloads)
  }

  encryptBackward(payloads: Uint8Array): void {
    this.#layer.backward.apply(payloads)
  }

  originateBackward(payloads: Uint8Array): Originated {
    return this.#layer.backward.originate(payloads)
  }
}

/**
 * The client's end of a layer made from `keys`: 72 bytes, or 128 for the layer shared with an onion service. The service
 * itself uses one, too, with `reversed`: seen from it, the client is "forward".
 */
export class Tor1ClientLayer implements ClientLayer {
  readonly tagBytes = TAG_BYTES
  readonly #out: Tor1Direction
  readonly #in: Tor1Direction

  constructor(keys: Uint8Array, reversed = false) {
    const layer = new Tor1Layer(keys)
    this.#out = reversed ? layer.backward : layer.forward
    this.#in = reversed ? layer.forward : layer.backward
  }

  originateForward(payloads: Uint8Array): Originated {
    return this.#out.originate(payloads)
  }

  encryptForward(payloads: Uint8Array): void {
    this.#out.apply(payloads)
  }

  decryptBackward(payloads: Uint8Array): Decrypted {
    this.#in.apply(payloads)
    return this.#in.split(payloads)
  }
}
