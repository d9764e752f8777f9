import { describe, expect, test } from 'vitest'
import { readConfigFile, type ConfigFileReader } from '../../../src/core/torrc/include.ts'
import { expandGlob } from '../../../src/core/torrc/glob.ts'

/** Files as a record of path to text. */
function reader(files: Record<string, string>): ConfigFileReader {
  return {
    read: (path) => files[path],
    list: (path) => {
      const prefix = path === '/' ? '/' : path === '.' ? '' : `${path.replace(/\/$/, '')}/`
      const names = Object.keys(files).filter((name) => name.startsWith(prefix) && (prefix !== '' || !name.startsWith('/'))).map((name) => name.slice(prefix.length).split('/')[0] ?? '')
      return names.length === 0 ? undefined : [...new Set(names)]
    },
  }
}

const keywords = (files: Record<string, string>, path = '/t/torrc'): string[] => readConfigFile(path, reader(files)).map((line) => line.keyword)

describe('%include', () => {
  test('a file stands where it is included', () => {
    expect(keywords({ '/t/torrc': 'A 1\n%include /t/x\nC 3', '/t/x': 'B 2' })).toEqual(['A', 'B', 'C'])
  })

  test('a folder: its files by name, without hidden ones and folders', () => {
    const files = { '/t/torrc': '%include /t/d', '/t/d/20': 'Z 1', '/t/d/10': 'Y 1', '/t/d/.hidden': 'X 1', '/t/d/sub/f': 'W 1' }
    expect(keywords(files)).toEqual(['Y', 'Z'])
  })

  test('a pattern', () => {
    const files = { '/t/torrc': '%include /t/d/*.conf', '/t/d/b.conf': 'B 1', '/t/d/a.conf': 'A 1', '/t/d/a.txt': 'X 1' }
    expect(keywords(files)).toEqual(['A', 'B'])
    expect(keywords({ '/t/torrc': '%include /t/none/*.conf' })).toEqual([])
  })

  test('errors name the line that includes', () => {
    expect(() => keywords({ '/t/torrc': 'A 1\n%include /t/missing' })).toThrow('cannot read configuration file /t/missing')
    expect(() => keywords({ '/t/torrc': '%include /t/torrc' })).toThrow('include each other')
  })

  test('lines remember their file', () => {
    const lines = readConfigFile('/t/torrc', reader({ '/t/torrc': '%include /t/x', '/t/x': '\n\nB 2' }))
    expect(lines[0]?.position).toEqual({ file: '/t/x', line: 3 })
  })
})

test('glob patterns', () => {
  const { list } = reader({ '/a/b1/f': '', '/a/b2/f': '', '/a/c/f': '', '/a/.d/f': '' })
  expect(expandGlob('/a/b*/f', list)).toEqual(['/a/b1/f', '/a/b2/f'])
  expect(expandGlob('/a/?/f', list)).toEqual(['/a/c/f'])
  expect(expandGlob('/a/*', list)).toEqual(['/a/b1', '/a/b2', '/a/c'])
  expect(expandGlob('/a/.*/f', list)).toEqual(['/a/.d/f'])
})
