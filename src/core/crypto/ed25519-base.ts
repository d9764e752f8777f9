/**
 * Multiples of the Ed25519 base point for any scalar, computed by OpenSSL. It has no such function for those who know a
 * scalar and no seed, but X25519 is one on the Montgomery form of the same curve (RFC 7748 §4.1): it gives u, hence y, and
 * u of a neighbouring multiple says which of the two x it is (Okeya and Sakurai, "Efficient Elliptic Curve
 * Cryptosystems from a Scalar Multiplication Algorithm with Recovery of the y-Coordinate on a Montgomery-Form Elliptic Curve").
 *
 * Point arithmetic in JavaScript takes ten times as long in a process that has done little of it yet.
 */

import { ed25519 } from '@noble/curves/ed25519.js'
import { bigIntToLittleEndian, littleEndianToBigInt } from './little-endian.ts'
import { exportRawPublicKey, importRawPrivateKey } from './raw-keys.ts'

const field = ed25519.Point.Fp
const groupOrder = ed25519.Point.Fn.ORDER
/** Of the Montgomery form v² = u³ + A u² + u. */
const curveA = 486662n
/** X25519 multiplies by multiples of 8 only: the neighbour of a multiple is this far away. */
const stepPoint = ed25519.Point.BASE.double().double().double().toAffine()
const stepU = field.div(field.create(1n + stepPoint.y), field.create(1n - stepPoint.y))

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
  const sum = field.create(stepU + u)
  const product = field.mul(stepU, u)
  const difference = field.create(stepU - u)
  // Twice v of the step times v of the result.
  const bothV = field.create((product + 1n) * (sum + 2n * curveA) - 2n * curveA - field.mul(field.mul(difference, difference), uNext))
  // x = sqrt(-(A + 2)) u / v on either point (RFC 7748 §4.1), and their quotient needs no root.
  const divisorX = field.mul(stepPoint.x, bothV)
  const divisorY = field.create(u + 1n)
  if (divisorX === 0n || divisorY === 0n) return undefined
  const inverse = field.inv(field.mul(divisorX, divisorY))
  const x = field.mul(field.mul(-2n * (curveA + 2n), product), field.mul(inverse, divisorY))
  const y = field.mul(field.create(u - 1n), field.mul(inverse, divisorX))
  const out = bigIntToLittleEndian(y)
  if (((x & 1n) === 1n) !== isNegated) out[31] = (out[31] as number) | 0x80
  return out
}

const montgomeryU = (clamped: bigint): bigint => littleEndianToBigInt(exportRawPublicKey(importRawPrivateKey('X25519', bigIntToLittleEndian(clamped))))
