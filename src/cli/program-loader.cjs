#!/usr/bin/env node
'use strict'
/**
 * What stands as `dist/relish.js`, `dist/relish-tor.js` and `dist/relish-gencert.js`: runs the bundled program of the
 * same name beside it, with V8's compiled code (`compiled-code.cjs`).
 */

const { join, parse } = require('node:path')
const { setFlagsFromString } = require('node:v8')
const { runCompiled } = require('./compiled-code.js')

/**
 * The first seconds of a network are code that runs a few times: optimizing it is a tenth of a start, and a sixth where V8 has Maglev,
 * its quick optimizing compiler. So nodes, and the program that starts them, put that off for `quickMs`. Only for those V8 whose usual
 * figures are known; and not before the modules of Node.js are loaded, whose compiled code is for the usual flags, too.
 *
 * Flags of the garbage collector are left alone: it may be at work then, and V8 ends the process now and then if it finds them changed.
 */
const quickMs = 5000
/**
 * When V8 optimizes a function. What it counts goes on as usual, and only acting on it is put off: counters that are raised stay raised in
 * each function that was first called meanwhile, which most of what a stream goes through is, and last for 100 MB of a stream.
 *
 * That of Node.js 20 looks at a function each time it has run 67,584 bytes of bytecode, and may optimize it from the third time on. What
 * it then compiles are the two hundred functions that bytes go through, while bytes wait for them: with less of one put into another
 * than the usual 920 bytes of bytecode that takes less, and they are as quick.
 */
const countingBytes = {
  quick: ['--ticks-before-optimization=60', '--max-bytecode-size-for-early-opt=0'],
  later: ['--ticks-before-optimization=3', '--max-bytecode-size-for-early-opt=81', '--max-inlined-bytecode-size-cumulative=300'],
  usual: ['--ticks-before-optimization=3', '--max-bytecode-size-for-early-opt=81', '--max-inlined-bytecode-size-cumulative=920'],
}
/** Later ones look at a function after 400 calls for Maglev, their quick compiler, and after 3,000 for TurboFan. */
const countingCalls = {
  quick: ['--minimum-invocations-before-optimization=6000'],
  later: ['--minimum-invocations-before-optimization=2'],
  usual: ['--minimum-invocations-before-optimization=2'],
}
/** By the version of V8 in Node.js 20, 22, 24 and 26. */
const optimizing = { 11.3: countingBytes, 12.4: countingCalls, 13.6: countingCalls, 14.6: countingCalls }[parseFloat(process.versions.v8)]

const name = parse(__filename).name
// Most of `relish` is nodes, and wanted only where they run in this process.
const runsNodes = name === 'relish' && (process.argv[2] === 'sim' || process.argv.some((arg) => /^(--world=)?(inline|simulated)$/.test(arg)))
const program = runCompiled(join(__dirname, 'programs', `${name}.js`), runsNodes ? '.nodes' : '', optimizing?.usual)
program(exports, require, module, __filename, (specifier) => import(specifier))

if (/^relish(-tor)?$/.test(name) && process.env.RELISH_CODE_CACHE !== 'write' && process.argv[2] !== 'sim' && optimizing !== undefined) {
  const set = (flags) => flags.forEach((flag) => setFlagsFromString(flag))
  setImmediate(() => {
    set(optimizing.quick)
    setTimeout(() => set(optimizing.later), quickMs).unref()
  })
}
