/**
 * How the types of documents show whether a document was checked. `Verified<T, Name>` is a `T` that passed its own
 * `verify…` function; nothing else makes one, except `dangerouslyAssumeVerified`, for tests and for what this node made
 * itself a moment ago.
 */

declare const verifiedBrand: unique symbol

export type Verified<T, Name extends string> = T & { readonly [verifiedBrand]: Name }

/** The only way past a check. The caller says in a comment why the document needs none. */
export function dangerouslyAssumeVerified<T, Name extends string>(document: T): Verified<T, Name> {
  return document as Verified<T, Name>
}
