'use strict'
/**
 * What stands as `dist/library.js`: the bundled library, with V8's compiled code (`src/cli/compiled-code.cjs`).
 */

const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { join } = require('node:path')
const { runCompiled } = require('./compiled-code.js')

const bundle = join(__dirname, 'programs/library.js')
const library = process.sourceMapsEnabled ? compiledAsModule() : runCompiled(bundle)
library(exports, require, module, __filename, (specifier) => import(specifier))

/** Node.js looks for source maps in modules only, and takes no compiled code for them. */
function compiledAsModule() {
  const made = new Module(bundle)
  made._compile(`module.exports = ${readFileSync(bundle, 'latin1')}`, bundle)
  return made.exports
}
