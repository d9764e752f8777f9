/** `relish bundle show`: what a failed run has left, told as a story. */

import type { Command } from 'commander'
import { resolve } from 'node:path'
import { readBundle, type Bundle } from '../testnet/report/bundle.ts'
import { storyOf, type Story } from '../testnet/report/story.ts'
import { examples, withJson } from './options.ts'
import { terminalOutput, type Output } from './output.ts'

export function addBundleCommand(program: Command): void {
  const lines = ['relish bundle show relish-bundle', 'relish bundle show relish-bundle --json | jq -r .causes[]']
  const bundle = program.command('bundle').description('read what a failed `relish test` has left behind').exitOverride()
  examples(bundle, lines)
  examples(
    withJson(bundle.command('show').description('tell what failed, what each node was doing, and what the likely cause is').argument('<dir>', 'folder of the bundle'))
      .exitOverride()
      .action((folder: string, options: { readonly json?: boolean }) => {
        const output = terminalOutput(options.json === true)
        const read = readBundle(resolve(folder))
        const story = storyOf(read)
        if (options.json === true) output.json({ network: read.network, command: read.command, seed: read.seed, ...story })
        else tell(output, folder, read, story)
      }),
    lines,
  )
}

function tell(output: Output, folder: string, bundle: Bundle, story: Story): void {
  const { colours } = output
  const section = (title: string, lines: readonly string[]): void => {
    if (lines.length === 0) return
    output.fact(colours.bold(title))
    for (const line of lines) output.fact(line.split('\n').map((part, index) => `${index === 0 ? '  ' : '    '}${part}`).join('\n'))
  }
  output.fact(`${colours.bold(bundle.network)}, relish ${bundle.relish}, ${bundle.startedAt}${bundle.seed === undefined ? '' : `, seed ${bundle.seed}`}`)
  section('what failed', story.failed)
  section('likely cause', story.causes.length > 0 ? story.causes : [`nothing stands out: look at logs.txt in ${folder} around the time of the failure`])
  section('what nodes were doing', story.nodes.flatMap(({ name, doing }) => [`${colours.bold(name)} ${doing[0] ?? ''}`, ...doing.slice(1).map((line) => `    ${line}`)]))
  section('more', [`${folder}/logs.txt has all logs, state/ the circuits and streams of every node then, documents/ what authorities and relays held`])
  section('again', [bundle.command])
}
