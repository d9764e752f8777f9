'use strict'
/**
 * What stands as `dist/library.js`: the bundled library, with V8's compiled code from a run that the build made. V8 takes that
 * code only from the same version of itself under the same flags; otherwise it compiles anew, and nothing else is different.
 * Nothing is ever written beside it but by the build.
 */

const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const Module = require('node:module')
const { join } = require('node:path')
const { setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')

const bundle = join(__dirname, 'programs/library.js')
const source = readFileSync(bundle, 'latin1')
const library = process.sourceMapsEnabled ? compiledAsModule() : compiledAsScript()
library(exports, require, module, __filename, (specifier) => import(specifier))

function compiledAsScript() {
  const cache = `${bundle}.cache`
  // Compiled code has the name in it that it was compiled under, so that stacks would lead to where the build was.
  const script = new Script(source, { filename: 'tor-relish/dist/programs/library.js', cachedData: existsSync(cache) ? readFileSync(cache) : undefined })
  // Only the build sets this. What ran long ago is to be kept as well, but for processes with V8's usual flags.
  if (process.env.RELISH_CODE_CACHE === 'write') {
    setFlagsFromString('--no-flush-bytecode')
    process.on('exit', () => {
      setFlagsFromString('--flush-bytecode')
      writeFileSync(cache, script.createCachedData())
    })
  }
  return script.runInThisContext()
}

/** Node.js looks for source maps in modules only, and takes no compiled code for them. */
function compiledAsModule() {
  const made = new Module(bundle)
  made._compile(`module.exports = ${source}`, bundle)
  return made.exports
}
