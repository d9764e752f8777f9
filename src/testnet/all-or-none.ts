/** Several things at once, of which none is to be left over when one of them cannot be had. */

/** As `Promise.all`, but it waits for all of them in any case, and `undo` gets what they have come to before it throws. */
export async function allOrNone<T>(attempts: readonly Promise<T>[], undo: (value: T) => void): Promise<T[]> {
  const results = await Promise.allSettled(attempts)
  const values = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return values
  for (const value of values) undo(value)
  throw failed.reason
}
