import { describe, expect, test } from 'vitest'
import { RelishError } from '../../src/core/base/errors.ts'
import { asReportedError } from '../../src/testnet/file-errors.ts'

const systemError = (message: string, more: object): Error => Object.assign(new Error(message), more)

describe('what the operating system refuses is no bug', () => {
  test.each([
    ['a file that cannot be made', systemError("EACCES: permission denied, mkdir '/x'", { code: 'EACCES', path: '/x' }), 'local-io'],
    ['a full disk, of which no file is named', systemError('ENOSPC: no space left on device, write', { code: 'ENOSPC', syscall: 'write' }), 'local-io'],
    ['a process that cannot be made', systemError('spawn EMFILE', { code: 'EMFILE', syscall: 'spawn' }), 'local-io'],
    ['an operation on nothing of the user', systemError('EPERM: operation not permitted', { code: 'EPERM' }), 'bug'],
    ['a mistake of ours', new TypeError('undefined is not a function'), 'bug'],
    ['an error that has its kind', new RelishError('timeout', 'too late', { cause: systemError('', { code: 'EMFILE' }) }), 'timeout'],
  ])('%s', (_what, error, kind) => {
    expect(asReportedError(error)).toMatchObject({ kind, message: error.message })
  })
})

test('a umask that takes from users what they make is named', () => {
  const refused = systemError("EACCES: permission denied, mkdir '/x/y'", { code: 'EACCES', path: '/x/y' })
  const usual = process.umask(0o277)
  try {
    expect(asReportedError(refused).hint).toContain('the umask 277')
    process.umask(0o077)
    expect(asReportedError(refused).hint).toBeUndefined()
  } finally {
    process.umask(usual)
  }
})
