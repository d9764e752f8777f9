/** Medians and majorities as dir-spec §3.8 counts them, with C tor's rules for ties. */

/** The element that `nth` others precede; `nth` counts from 0. Undefined for an empty list. */
export function nthSmallest(values: readonly number[], nth: number): number | undefined {
  return [...values].sort((a, b) => a - b)[nth]
}

/** The low median: of an even number of values the smaller of the two in the middle. Undefined for an empty list. */
export const lowMedian = (values: readonly number[]): number | undefined => nthSmallest(values, Math.floor((values.length - 1) / 2))

/** Order of C's `strcmp` for text of one byte a character. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The items with more than `minimum` equal neighbours (itself included) in a sorted list, each once. */
export function frequentItems(sorted: readonly string[], minimum: number): string[] {
  const frequent: string[] = []
  for (let start = 0; start < sorted.length; ) {
    let end = start
    while (end < sorted.length && sorted[end] === sorted[start]) end++
    if (end - start > minimum) frequent.push(sorted[start] as string)
    start = end
  }
  return frequent
}

/** The item that occurs most often; of several the last in order. Undefined for an empty list. */
export function mostFrequent<T>(items: readonly T[], compare: (a: T, b: T) => number): { readonly item: T; readonly count: number } | undefined {
  const sorted = [...items].sort(compare)
  let best: { item: T; count: number } | undefined
  for (let start = 0; start < sorted.length; ) {
    const item = sorted[start] as T
    let end = start
    while (end < sorted.length && compare(sorted[end] as T, item) === 0) end++
    if (best === undefined || end - start >= best.count) best = { item, count: end - start }
    start = end
  }
  return best
}
