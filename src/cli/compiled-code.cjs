'use strict'
/**
 * What stands as `dist/compiled-code.js`: runs the bundles of `dist/programs` as scripts, with V8's compiled code.
 *
 * The build keeps beside each bundle what runs that did real work have compiled. V8 takes that only from the same version of itself
 * under the same flags. Where it does not, a process keeps what it has compiled itself when it ends, in the user's folder for caches,
 * for the next one of that bundle, version and flags. Nothing else is different with compiled code or without, or if none can be kept.
 */

const { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } = require('node:fs')
const { homedir } = require('node:os')
const { isAbsolute, join, parse } = require('node:path')
const { cachedDataVersionTag, getHeapCodeStatistics, setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')

/** As many as five versions of Node.js make: 2 or 3 MB each. */
const cachesMax = 25
/** Of bytecode, beyond what was taken over: less is what Node.js compiles of its own, and the difference between two roles of nodes. */
const worthKeepingBytes = 300_000

/**
 * What the script `bundle` is, given what was compiled of it in runs of one `kind` (in the name of its cache). `usualFlags`: what
 * whoever runs it changes of V8's flags meanwhile, as it is at first, since compiled code is for the flags of the moment in which it is kept.
 */
exports.runCompiled = function (bundle, kind = '', usualFlags = []) {
  const source = readFileSync(bundle).toString('latin1')
  const { base, name } = parse(bundle)
  const ofBuild = `${bundle}${kind}.cache`
  // Only the build sets this, and chooses among those that several processes leave: each has what it took over, and its own.
  const forBuild = process.env.RELISH_CODE_CACHE === 'write'
  const folder = userCaches()
  const ofUser = folder && join(folder, `${name}${kind}-${contentName(source)}-${cachedDataVersionTag().toString(16)}.cache`)
  const cache = (forBuild ? [ofBuild] : [ofUser, ofBuild]).find((path) => path !== undefined && existsSync(path))
  const cachedData = cache === undefined ? undefined : readFileSync(cache)
  // Compiled code has the name in it that it was compiled under, so that stacks would lead to where the build was. A copy of it: a part of
  // a string would bring all of that string along.
  const script = new Script(source, { filename: `tor-relish/dist/programs/${Buffer.from(base).toString()}`, cachedData })
  if (forBuild) {
    // What ran long ago is to be kept as well, but for processes with V8's usual flags.
    setFlagsFromString('--no-flush-bytecode')
    process.on('exit', () => {
      setFlagsFromString('--flush-bytecode')
      writeFileSync(`${ofBuild}.${process.pid}`, script.createCachedData())
    })
  } else if (ofUser !== undefined && (cache === ofUser || script.cachedDataRejected)) {
    const taken = script.cachedDataRejected ? -Infinity : bytecodeBytes()
    process.on('exit', () => {
      if (bytecodeBytes() - taken < worthKeepingBytes) return
      usualFlags.forEach((flag) => setFlagsFromString(flag))
      keepForUser(ofUser, script)
    })
  }
  return script.runInThisContext()
}

const bytecodeBytes = () => getHeapCodeStatistics().bytecode_and_metadata_size

/** The last line, by which the build names what the bundle has: V8 itself looks at nothing but its length. */
function contentName(source) {
  return /^\/\/ (\w+)\n$/m.exec(source.slice(-20))?.[1] ?? 'unnamed'
}

/** As the systems have it, and the XDG Base Directory Specification, which ignores relative paths; undefined for a user without a home. */
function userCaches() {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'tor-relish')
  if (process.platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'tor-relish')
  try {
    return join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'tor-relish')
  } catch {
    return undefined
  }
}

/** Many processes do it at a time, as the nodes of a network end together: each whole file replaces a smaller one. */
function keepForUser(path, script) {
  const folder = parse(path).dir
  const making = `${path}.${process.pid}`
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Where nothing can be written, nothing is made.
    closeSync(openSync(making, 'wx', 0o600))
  } catch {
    return
  }
  try {
    const compiled = script.createCachedData()
    if (compiled.length > (statSync(path, { throwIfNoEntry: false })?.size ?? 0)) {
      writeFileSync(making, compiled)
      renameSync(making, path)
      forgetOldest(folder)
    }
  } catch {
    // A full disk, or somebody who clears the folder: the next one compiles as this one did.
  } finally {
    rmSync(making, { force: true })
  }
}

function forgetOldest(folder) {
  const caches = readdirSync(folder).map((name) => ({ path: join(folder, name), keptAt: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
  for (const { path } of caches.sort((a, b) => b.keptAt - a.keptAt).slice(cachesMax)) rmSync(path, { force: true })
}
