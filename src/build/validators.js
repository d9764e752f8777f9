/** Puts validators that are compiled already in the place of `src/testnet/schema-validator.ts`, which compiles them. */

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'

const folder = fileURLToPath(new URL('../../networks/', import.meta.url))
const files = [
  ...readdirSync(folder).filter((name) => name.endsWith('.schema.json')).map((name) => join(folder, name)),
  fileURLToPath(new URL('../testnet/report/bundle.schema.json', import.meta.url)),
]

/** For esbuild. */
export const compiledValidators = {
  name: 'compiled validators',
  setup(build) {
    build.onLoad({ filter: /[\\/]testnet[\\/]schema-validator\.ts$/ }, () => ({ contents: moduleText(), loader: 'js', resolveDir: fileURLToPath(new URL('../..', import.meta.url)) }))
  },
}

function moduleText() {
  const schemas = files.map((file) => JSON.parse(readFileSync(file, 'utf8')))
  // The options of the module it stands for.
  const ajv = new Ajv({ allErrors: true, verbose: true, strict: false, code: { source: true, esm: true } })
  schemas.forEach((schema, index) => ajv.addSchema(schema, `schema${index}`))
  const code = standalone.default(ajv, Object.fromEntries(schemas.map((_, index) => [`validate${index}`, `schema${index}`])))
  const table = schemas.map((schema, index) => `${JSON.stringify(schema.title)}: validate${index}`)
  return `${code}\nconst validators = { ${table.join(', ')} };\nexport const validatorOf = (schema) => validators[schema.title];\n`
}
