import { expect, test } from 'vitest'
import { chiSquare } from '../../src/testnet/checks/chi-square.ts'

// Critical values of the distribution, as every table of it has them.
test.each([
  [1, 3.841, 0.05],
  [1, 10.828, 0.001],
  [4, 9.488, 0.05],
  [7, 14.067, 0.05],
  [10, 29.588, 0.001],
  [100, 124.342, 0.05],
])('%i degrees of freedom: %f is exceeded with probability %f', (degrees, statistic, probability) => {
  // One cell far enough off, the others exactly as expected.
  const observed = [100 + Math.sqrt(statistic * 100), ...Array.from({ length: degrees }, () => 100)]
  const result = chiSquare(observed, observed.map(() => 100))
  expect(result.degrees).toBe(degrees)
  expect(result.statistic).toBeCloseTo(statistic, 6)
  expect(result.probability).toBeCloseTo(probability, 4)
})

test('counts as expected are as probable as can be, and absurd ones are not probable at all', () => {
  expect(chiSquare([10, 20, 30], [10, 20, 30]).probability).toBe(1)
  expect(chiSquare([1000, 0], [500, 500]).probability).toBeLessThan(1e-200)
})
