/** Pearson's test of goodness of fit: how probable counts at least so far from what was expected are by chance. */

/** `expected` are positive; degrees of freedom are one fewer than there are cells. */
export function chiSquare(observed: readonly number[], expected: readonly number[]): { readonly statistic: number; readonly degrees: number; readonly probability: number } {
  const statistic = observed.reduce((sum, count, i) => sum + (count - (expected[i] ?? 0)) ** 2 / (expected[i] ?? 1), 0)
  const degrees = Math.max(1, observed.length - 1)
  return { statistic, degrees, probability: upperGamma(degrees / 2, statistic / 2) }
}

/** The regularised upper incomplete gamma function Q(a, x), by series or by continued fraction, whichever converges. */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1
  const front = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; n < termsMax && term > sum * precision; n++) {
      term *= x / (a + n)
      sum += term
    }
    return Math.max(0, 1 - front * sum)
  }
  // Lentz's method.
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let fraction = d
  for (let n = 1; n < termsMax; n++) {
    const numerator = -n * (n - a)
    b += 2
    d = 1 / nonZero(numerator * d + b)
    c = nonZero(b + numerator / c)
    const factor = d * c
    fraction *= factor
    if (Math.abs(factor - 1) < precision) break
  }
  return front * fraction
}

const termsMax = 1000
const precision = 1e-14
const tiny = 1e-300
const nonZero = (value: number): number => (Math.abs(value) < tiny ? tiny : value)

/** Lanczos' approximation with g = 7, good to 15 digits. */
function logGamma(x: number): number {
  const [first = 0, ...others] = lanczos
  const series = others.reduce((sum, coefficient, i) => sum + coefficient / (x + i), first)
  const t = x + 6.5
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series)
}
const lanczos: readonly number[] = Object.freeze([
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
])
