/** The values of `ControlSocket`: paths of Unix sockets with flags; `0` for none. tor(1). */

import { configError, type ConfigLine } from './config-line.ts'

export interface ControlSocketSpec {
  readonly path: string
  readonly groupWritable: boolean
  readonly worldWritable: boolean
}

/** Throws `config`. */
export function parseControlSockets(lines: readonly ConfigLine[]): ControlSocketSpec[] {
  return lines.flatMap((line) => {
    const match = /^(?:unix:)?(?:"([^"]+)"|(\S+))(?:\s+(.*))?$/.exec(line.value)
    const path = match?.[1] ?? match?.[2]
    if (path === undefined) throw configError(`${line.keyword}: expected a path`, line.position)
    const flags = (match?.[3] ?? '').split(/\s+/).filter((word) => word !== '').map((word) => word.toLowerCase())
    const unknown = flags.find((flag) => !['groupwritable', 'worldwritable', 'relaxdirmodecheck'].includes(flag))
    if (unknown !== undefined) throw configError(`${line.keyword}: unknown flag "${unknown}"`, line.position)
    return path === '0' ? [] : [{ path, groupWritable: flags.includes('groupwritable'), worldWritable: flags.includes('worldwritable') }]
  })
}
