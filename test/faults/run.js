// Runs the scenarios of the package, and seeds with faults:
//   node test/faults/run.js [--seeds 20] [--seed 1] [--network basic-min]
// A failure says which command repeats it.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const args = process.argv.slice(2)
const option = (name, fallback) => {
  const at = args.indexOf(`--${name}`)
  return at < 0 ? fallback : args[at + 1]
}

function relish(...words) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/relish.js'), ...words], { encoding: 'utf8' })
  const lines = `${stdout}${stderr}`.trimEnd().split('\n')
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} relish ${words.join(' ')}\n${lines.slice(status === 0 ? -2 : -40).map((line) => `    ${line}\n`).join('')}`)
  return status === 0
}

const scenarios = readdirSync(join(root, 'networks/scenarios')).filter((name) => name.endsWith('.yaml')).map((name) => basename(name, '.yaml'))
const passed = [
  ...scenarios.map((name) => relish('sim', name)),
  // One of them also proves that faults are as repeatable as everything else.
  relish('sim', 'partition-heals', '--twice'),
  relish('sim', option('network', 'basic-min'), '--seed', option('seed', '1'), '--seeds', option('seeds', '20'), '--faults'),
]
process.exitCode = passed.every(Boolean) ? 0 : 1
