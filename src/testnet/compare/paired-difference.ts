/**
 * What two builds differ by, judged from pairs of runs with the same seed: the mean of the differences and its 95 %
 * confidence interval by Student's t (mean ± t · s / √n, n - 1 degrees of freedom), all as shares of the first build's
 * mean. The differences of a pair count, not the spread between seeds, which both builds have alike.
 */

export interface PairedDifference {
  readonly pairs: number
  readonly meanA: number
  readonly meanB: number
  /** Of B to A: 0.05 is five percent more. */
  readonly change: number
  readonly low: number
  readonly high: number
  /** The interval does not hold 0. */
  readonly significant: boolean
}

/** `a` and `b` have one value for each seed, in the same order. Fewer than two pairs tell nothing. */
export function pairedDifference(a: readonly number[], b: readonly number[]): PairedDifference | undefined {
  const pairs = Math.min(a.length, b.length)
  if (pairs < 2) return undefined
  const meanA = mean(a)
  const meanB = mean(b)
  const differences = a.map((value, i) => (b[i] as number) - value)
  const difference = mean(differences)
  const variance = differences.reduce((sum, one) => sum + (one - difference) ** 2, 0) / (pairs - 1)
  const half = studentQuantile(0.975, pairs - 1) * Math.sqrt(variance / pairs)
  const share = (value: number): number => (meanA === 0 ? (value === 0 ? 0 : Math.sign(value) * Number.POSITIVE_INFINITY) : value / meanA)
  const [low, high] = [share(difference - half), share(difference + half)]
  return { pairs, meanA, meanB, change: share(difference), low, high, significant: low > 0 || high < 0 }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Where Student's distribution with `degrees` degrees of freedom has reached `probability` (above one half). */
export function studentQuantile(probability: number, degrees: number): number {
  let [low, high] = [0, 1]
  while (studentProbability(high, degrees) < probability) high *= 2
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (studentProbability(middle, degrees) < probability) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** Probability of a value up to `t` ≥ 0. With x = √ν tan φ the density becomes a power of cos φ, which Simpson's rule sums well. */
function studentProbability(t: number, degrees: number): number {
  const steps = 2000
  const end = Math.atan(t / Math.sqrt(degrees))
  const width = end / steps
  const power = (angle: number): number => Math.cos(angle) ** (degrees - 1)
  let sum = power(0) + power(end)
  for (let i = 1; i < steps; i++) sum += power(i * width) * (i % 2 === 1 ? 4 : 2)
  return 0.5 + ((sum * width) / 3) * densityFactor(degrees)
}

/** Γ((ν+1)/2) / (√π Γ(ν/2)), by the recurrence of Γ from ν = 1 or 2. */
function densityFactor(degrees: number): number {
  let factor = degrees % 2 === 1 ? 1 / Math.PI : 0.5
  for (let i = degrees % 2 === 1 ? 3 : 4; i <= degrees; i += 2) factor *= (i - 1) / (i - 2)
  return factor
}
