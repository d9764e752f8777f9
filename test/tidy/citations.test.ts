import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSources, root } from './source.ts'

const sections = JSON.parse(readFileSync(join(root, 'test/vectors/torspec/sections.json'), 'utf8')) as Record<string, string>

/** Citations of sections that the cited document does not have. */
function wrongCitations(text: string): string[] {
  const wrong: string[] = []
  for (const match of text.matchAll(/\b((?:[a-z]+-)+spec(?:-v3)?|socks-extensions)[ \n*/]+§ ?([0-9A-Z]+(?:\.[0-9]+)*)/g)) {
    const [citation, document = '', section = ''] = match
    const known = sections[document]
    if (known === undefined || !known.split(' ').includes(section)) wrong.push(citation.replace(/\s+/g, ' '))
  }
  return wrong
}

describe('citations', () => {
  test('every cited section exists', () => {
    const wrong = readSources().flatMap((file) => wrongCitations(file.text).map((citation) => `src/${file.path}: ${citation}`))
    expect(wrong).toEqual([])
  })

  test('a wrong citation is found', () => {
    expect(wrongCitations('// tor-spec §5.1.4 and tor-spec §99.1 and no-such-spec §1')).toEqual(['tor-spec §99.1', 'no-such-spec §1'])
  })
})
