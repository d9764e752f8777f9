/**
 * Validators of the JSON Schemas of files that users write. The build puts in this module's place one that has them ready
 * (`src/build/validators.js`): to compile one takes as long as to load the rest of a program.
 */

import { Ajv, type ErrorObject } from 'ajv'

export type { ErrorObject }

export interface Validator {
  (value: unknown): unknown
  errors?: ErrorObject[] | null | undefined
}

/** The build knows a schema by its title, and has the same options. */
export const validatorOf = (schema: { readonly title: string }): Validator => new Ajv({ allErrors: true, verbose: true, strict: false }).compile(schema)
