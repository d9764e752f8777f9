// Runs fuzzers for as long as asked:
//   node test/fuzz/long.js [NAME…] [--minutes 10] [--seed TEXT] [--cases N] [--list]
// NAME is a fuzzer, or the beginning of several names. Without --seed the clock chooses one and prints it.
import { build } from 'esbuild'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
// Inside the project, so that the bundle finds the packages it needs.
const folder = await mkdtemp(join(here, '../../node_modules/.fuzz-'))
try {
  await build({
    stdin: { contents: "export { fuzzers } from './registry.ts'\nexport { describeBreach, runFuzzer } from './run-fuzzer.ts'\n", resolveDir: here, loader: 'ts' },
    outfile: join(folder, 'fuzz.js'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    // Vectors are found from here, as they are from the sources.
    define: { 'import.meta.url': JSON.stringify(import.meta.url) },
  })
  process.exitCode = run(await import(pathToFileURL(join(folder, 'fuzz.js')).href), process.argv.slice(2))
} finally {
  await rm(folder, { recursive: true, force: true })
}

function run({ fuzzers, describeBreach, runFuzzer }, args) {
  const option = (name, fallback) => {
    const at = args.indexOf(`--${name}`)
    return at < 0 ? fallback : args.splice(at, 2)[1]
  }
  const minutes = Number(option('minutes', '10'))
  const cases = Number(option('cases', 'Infinity'))
  const seed = option('seed', String(Date.now()))
  if (args.includes('--list')) {
    for (const fuzzer of fuzzers) console.log(fuzzer.name)
    return 0
  }
  const chosen = args.length === 0 ? fuzzers : fuzzers.filter((fuzzer) => args.some((name) => fuzzer.name.startsWith(name)))
  if (chosen.length === 0) {
    console.error(`no fuzzer is called ${args.join(' or ')}; --list names them`)
    return 2
  }
  console.log(`seed ${seed}, ${chosen.length} fuzzers, ${cases === Infinity ? `${minutes} minutes` : `${cases} cases each`}`)
  let breaches = 0
  const share = (minutes * 60_000) / chosen.length
  for (const fuzzer of chosen) {
    const outcome = runFuzzer(fuzzer, seed, cases, cases === Infinity ? performance.now() + share : Infinity)
    console.log(`${fuzzer.name}: ${outcome.cases} cases, ${outcome.accepted} accepted${outcome.breach === undefined ? '' : ', FAILED'}`)
    if (outcome.breach !== undefined) {
      breaches++
      console.log(describeBreach(outcome.breach))
    }
  }
  return breaches === 0 ? 0 : 1
}
