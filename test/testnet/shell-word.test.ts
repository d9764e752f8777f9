import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { shellWord } from '../../src/testnet/shell-word.ts'

test.each(['basic', './a/b.yaml', '/tmp/ein Öl & söhne', "it's", '$HOME `x` "y" \\', ''])('a shell takes %j as it is', (word) => {
  expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word)
})

test('what needs no quotes has none', () => {
  expect(shellWord('/tmp/net-1/a_b.yaml')).toBe('/tmp/net-1/a_b.yaml')
})
