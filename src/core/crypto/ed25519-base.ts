/**
 * Multiples of the Ed25519 base point for any scalar, computed by OpenSSL. It has no such function for those who know a
 * scalar and no seed, but X25519 is one on the Montgomery form of the same curve (RFC 7748 §4.1): it gives u, hence y, and
 * u of a neighbouring multiple says which of the two x it is (Okeya and Sakurai, "Efficient Elliptic Curve
 * Cryptosystems from a Scalar Multiplication Algorithm with Recovery of the y-Coordinate on a Montgomery-Form Elliptic Curve").
 *
 * Point arithmetic in JavaScript takes ten times as long in a process that has done little of it yet.
 */

import { encodePoint, fieldPrime, groupOrder, invert, reduce } from './edwards25519.ts'
import { bigIntToLittleEndian, littleEndianToBigInt } from './little-endian.ts'
import { exportRawPublicKey, importRawPrivateKey } from './raw-keys.ts'

/** Of the Montgomery form v² = u³ + A u² + u. */
const curveA = 486662n
/** X25519 multiplies by multiples of 8 only: the neighbour of a multiple is 8 times the base point away, with this x in the Edwards form ... */
const stepX = 46706390780465557264338673484185971070529246228527338942042475661633188627656n
/** ... and this u in the Montgomery form. */
const stepU = 17809203070174708532389388378138548413001352690456714369618601795787323709800n

/**
 * `scalar` (at least 0, below the group's order) times the base point, encoded: 32 bytes. Undefined for the few scalars next to zero
 * for which the way through X25519 leads nowhere.
 */
export function multiplyEd25519Base(scalar: bigint): Uint8Array | undefined {
  // X25519 sets bit 254 and clears bits 0 to 2 (RFC 7748 §5). Among the multiples of 8 of that size there is exactly one that is
  // the scalar modulo the group's order, or else its negative: 3 is -1/order modulo 8, and the size leaves four of eight.
  const times = (3n * scalar) % 8n
  const isNegated = times < 4n
  const clamped = isNegated ? (8n - times) * groupOrder - scalar : scalar + times * groupOrder
  if (clamped >> 254n !== 1n || (clamped + 8n) >> 254n !== 1n) return undefined
  const u = montgomeryU(clamped)
  const uNext = montgomeryU(clamped + 8n)
  const sum = stepU + u
  const product = reduce(stepU * u)
  const difference = stepU - u
  // Twice v of the step times v of the result.
  const bothV = reduce((product + 1n) * (sum + 2n * curveA) - 2n * curveA - reduce(difference * difference) * uNext)
  // x = sqrt(-(A + 2)) u / v on either point (RFC 7748 §4.1), and their quotient needs no root.
  const divisorX = reduce(stepX * bothV)
  const divisorY = reduce(u + 1n)
  if (divisorX === 0n || divisorY === 0n) return undefined
  const inverse = invert(divisorX * divisorY)
  const x = reduce(-2n * (curveA + 2n) * product * reduce(inverse * divisorY))
  const y = reduce((u - 1n) * reduce(inverse * divisorX))
  return encodePoint({ x: isNegated ? fieldPrime - x : x, y })
}

const montgomeryU = (clamped: bigint): bigint => littleEndianToBigInt(exportRawPublicKey(importRawPrivateKey('X25519', bigIntToLittleEndian(clamped))))
