import { describe, expect, test } from 'vitest'
import { pairedDifference, studentQuantile } from '../../../src/testnet/compare/paired-difference.ts'

describe('paired differences', () => {
  // Two-sided 95 %, as in every table of the distribution.
  test.each([[1, 12.7062], [2, 4.3027], [3, 3.1824], [4, 2.7764], [9, 2.2622], [19, 2.093], [49, 2.0096], [1000, 1.9623]])('quantile for %i degrees of freedom', (degrees, expected) => {
    expect(studentQuantile(0.975, degrees)).toBeCloseTo(expected, 3)
  })

  test('a difference of each pair counts, however far the pairs are apart', () => {
    const a = [10, 200, 35, 1000, 470]
    const result = pairedDifference(a, a.map((value) => value + 5))
    expect(result).toMatchObject({ pairs: 5, meanA: 343, meanB: 348, significant: true })
    expect(result?.change).toBeCloseTo(5 / 343)
    expect(result?.high).toBeCloseTo(5 / 343)
  })

  test('the interval is that of the mean', () => {
    // Differences 1, 2, 3, 4: mean 2.5, standard deviation 1.29099, standard error 0.64550, quantile 3.18245.
    const result = pairedDifference([100, 100, 100, 100], [101, 102, 103, 104])
    expect(result?.low).toBeCloseTo(0.025 - 0.0205427, 6)
    expect(result?.high).toBeCloseTo(0.025 + 0.0205427, 6)
  })

  test('noise is no difference, and neither is nothing', () => {
    expect(pairedDifference([10, 20, 30], [12, 17, 31])?.significant).toBe(false)
    expect(pairedDifference([10, 20], [10, 20])).toMatchObject({ change: 0, low: 0, high: 0, significant: false })
    expect(pairedDifference([0, 0], [0, 0])?.change).toBe(0)
    expect(pairedDifference([1], [2])).toBeUndefined()
  })
})
