#!/usr/bin/env node
'use strict'
/**
 * What stands as `dist/relish.js`, `dist/relish-tor.js` and `dist/relish-gencert.js`: runs the bundled program of the
 * same name beside it with V8's compiled code, which the build keeps from a run that did real work. V8 takes that code
 * only from the same version of itself under the same flags; otherwise it compiles anew, and nothing else is different.
 */

const { existsSync, readFileSync, renameSync, statSync, writeFileSync } = require('node:fs')
const { join, parse } = require('node:path')
const { Script } = require('node:vm')

const program = join(__dirname, 'programs', `${parse(__filename).name}.js`)
const cache = `${program}.cache`

const cachedData = existsSync(cache) ? readFileSync(cache) : undefined
const script = new Script(readFileSync(program, 'latin1'), { filename: program, cachedData })

// Only the build sets this. Of several processes the one that has run the most code has its say.
if (process.env.RELISH_CODE_CACHE === 'write') {
  process.on('exit', () => {
    const compiled = script.createCachedData()
    if (existsSync(cache) && statSync(cache).size >= compiled.length) return
    writeFileSync(`${cache}.${process.pid}`, compiled)
    renameSync(`${cache}.${process.pid}`, cache)
  })
}

script.runInThisContext()(exports, require, module, __filename, (specifier) => import(specifier))
