/** The code of an operating system's error, wherever it is in the chain of causes of an error of ours. */

/** How many causes are looked at: a chain is never longer unless it is a loop. */
const CAUSES_MAX = 16

/** `ECONNRESET`, `ENETUNREACH`, …; undefined when no cause has a code. */
export function systemErrorCode(thrown: unknown): string | undefined {
  let each: unknown = thrown
  for (let i = 0; i < CAUSES_MAX && typeof each === 'object' && each !== null; i++) {
    if ('code' in each && typeof each.code === 'string') return each.code
    each = 'cause' in each ? each.cause : undefined
  }
  return undefined
}
