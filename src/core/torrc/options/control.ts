/** Options of the control port. */

import { allLines, bool, eachLine, filename, optionsOf } from '../option-spec.ts'
import { parseHashedPassword } from '../hashed-password.ts'
import { parseControlSockets, type ControlSocketSpec } from '../control-socket.ts'
import { ports } from './kinds.ts'

const option = optionsOf('control')

export const controlOptions = {
  ControlPort: option(ports('control'), undefined, 'Where controllers connect: [ADDRESS:]PORT|auto|unix:PATH'),
  ControlSocket: option(allLines<readonly ControlSocketSpec[]>('LineList', [], parseControlSockets), undefined, 'Unix socket where controllers connect'),
  ControlSocketsGroupWritable: option(bool, '0', 'Whether the group may write to control sockets', { defaultOnly: 'sockets have the permissions that the umask leaves' }),
  ControlPortWriteToFile: option(filename, undefined, 'File that gets the address of the control port'),
  ControlPortFileGroupReadable: option(bool, '0', 'Whether the group may read that file'),
  CookieAuthentication: option(bool, '0', 'Controllers prove that they can read the cookie file'),
  CookieAuthFile: option(filename, undefined, 'The cookie file; control_auth_cookie in the data directory unless given'),
  CookieAuthFileGroupReadable: option(bool, '0', 'Whether the group may read the cookie file'),
  HashedControlPassword: option(eachLine('LineList', parseHashedPassword), undefined, 'Password of controllers, as printed by --hash-password'),
  __HashedControlSessionPassword: option(eachLine('LineList', parseHashedPassword), undefined, 'The same, not saved', { hidden: true }),
}
