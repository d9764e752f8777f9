/**
 * The curve of Ed25519, -x² + y² = 1 + d x² y² over the integers modulo 2^255 - 19 (RFC 8032 §5.1): its constants, and the little
 * arithmetic that OpenSSL does not do for us. It is not for products of points where one is needed often: `ed25519-base.ts` is.
 *
 * Our own, since it is a page: a library for all curves takes 3 ms to be there, in each process.
 */

import { bigIntToLittleEndian } from './little-endian.ts'

export interface EdwardsPoint {
  readonly x: bigint
  readonly y: bigint
}

export const fieldPrime = 2n ** 255n - 19n
/** Of the group that the base point generates. */
export const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n
export const basePoint: EdwardsPoint = Object.freeze({
  x: 15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  y: 46316835694926478169428394003475163141307993866256225615783033603165251855960n,
})
const curveD = 37095705934669439343138083508754565189542113879843219016388785533085940283555n

/** At least 0, below the prime. */
export function reduce(value: bigint): bigint {
  const rest = value % fieldPrime
  return rest < 0n ? rest + fieldPrime : rest
}

/** 1/`value`, which is not 0 modulo the prime, by Euclid's algorithm. */
export function invert(value: bigint): bigint {
  let divisor = fieldPrime
  let rest = reduce(value)
  let before = 0n
  let factor = 1n
  while (rest !== 0n) {
    const quotient = divisor / rest
    const nextRest = divisor - quotient * rest
    const nextFactor = before - quotient * factor
    divisor = rest
    rest = nextRest
    before = factor
    factor = nextFactor
  }
  return reduce(before)
}

/** RFC 8032 §5.1.4; good for all points, equal ones as well. */
export function addPoints(one: EdwardsPoint, other: EdwardsPoint): EdwardsPoint {
  const product = reduce(curveD * reduce(one.x * other.x) * reduce(one.y * other.y))
  return {
    x: reduce((one.x * other.y + one.y * other.x) * invert(1n + product)),
    y: reduce((one.y * other.y + one.x * other.x) * invert(1n - product)),
  }
}

/** `times` (at least 0) times a point: some 500 inversions. */
export function multiplyPoint(point: EdwardsPoint, times: bigint): EdwardsPoint {
  let sum: EdwardsPoint = { x: 0n, y: 1n }
  let doubled = point
  for (let left = times; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) sum = addPoints(sum, doubled)
    doubled = addPoints(doubled, doubled)
  }
  return sum
}

/** 32 bytes (RFC 8032 §5.1.2). */
export function encodePoint({ x, y }: EdwardsPoint): Uint8Array {
  return bigIntToLittleEndian(y | ((x & 1n) << 255n))
}
