/** Options about the process: files, logging, start and stop. */

import { eachLine, autobool, bool, choice, filename, interval, msecInterval, natural, optionsOf, text } from '../option-spec.ts'
import { parseLogLine } from '../log-line.ts'

const option = optionsOf('process')
const noSuchThing = 'there is nothing of the kind in this program'

export const processOptions = {
  DataDirectory: option(filename, undefined, 'Folder for everything the node keeps; ~/.tor unless given', { fixed: true }),
  DataDirectoryGroupReadable: option(bool, '0', 'Whether the group may read the data directory', { defaultOnly: 'files are for their owner only' }),
  CacheDirectory: option(filename, undefined, 'Folder for cached directory documents; the data directory unless given', { fixed: true, defaultOnly: 'documents are kept in the data directory' }),
  CacheDirectoryGroupReadable: option(autobool, 'auto', 'Whether the group may read the cache directory', { noEffect: 'it is read only with CacheDirectory' }),
  KeyDirectory: option(filename, undefined, 'Folder for keys; "keys" in the data directory unless given', { fixed: true, defaultOnly: 'keys are kept in the data directory' }),
  KeyDirectoryGroupReadable: option(autobool, 'auto', 'Whether the group may read the key directory', { noEffect: 'it is read only with KeyDirectory' }),
  PidFile: option(filename, undefined, 'File that holds the process id while the node runs', { fixed: true }),
  RunAsDaemon: option(bool, '0', 'Go to the background after the configuration was read', { fixed: true }),
  User: option(text, undefined, 'User to become after start', { fixed: true, defaultOnly: 'start the program as that user instead' }),
  Log: option(eachLine('LineList', parseLogLine), undefined, 'Which messages go where: LEVEL[-LEVEL] [stdout | stderr | syslog | file PATH]'),
  LogMessageDomains: option(bool, '0', 'Put the domain of each message into the log'),
  LogTimeGranularity: option(msecInterval, '1 second', 'Resolution of times in logs'),
  TruncateLogFile: option(bool, '0', 'Empty log files at start and at HUP'),
  SafeLogging: option(choice('1', '0', 'relay'), '1', 'Hide addresses in logs: everywhere, nowhere, or only as a relay', { noEffect: 'destinations of streams are never logged, and addresses of relays are no secret in a private network' }),
  ProtocolWarnings: option(bool, '0', 'Log breaches of the protocol by peers at level warn'),
  SyslogIdentityTag: option(text, undefined, 'Name in syslog', { fixed: true, defaultOnly: 'messages to syslog carry the name of the program' }),
  HeartbeatPeriod: option(interval, '6 hours', 'How often a line about health is logged; 0 for never', { noEffect: 'health is told by inspection and by SIGNAL HEARTBEAT' }),
  MainloopStats: option(bool, '0', 'Log statistics of the event loop', { noEffect: noSuchThing }),
  ShutdownWaitLength: option(interval, '30 seconds', 'How long a relay goes on for open circuits after SIGINT'),
  AvoidDiskWrites: option(bool, '0', 'Write to disk less often', { noEffect: 'little is written in any case' }),
  DisableAllSwap: option(bool, '0', 'Keep all memory out of swap', { fixed: true, defaultOnly: 'Node.js cannot lock memory' }),
  DisableDebuggerAttachment: option(bool, '1', 'Keep other processes from attaching a debugger', { fixed: true, noEffect: 'attaching a debugger is never prevented; test networks are there to be looked at' }),
  Sandbox: option(bool, '0', 'Restrict the process with seccomp', { fixed: true, warned: 'there is no seccomp sandbox' }),
  NoExec: option(bool, '0', 'Never start another program', { fixed: true, noEffect: 'a node never starts another program' }),
  KeepBindCapabilities: option(autobool, 'auto', 'Keep the right to bind low ports after a change of user', { fixed: true, noEffect: 'the user is never changed' }),
  HardwareAccel: option(bool, '0', 'Use a cryptographic engine of OpenSSL', { fixed: true, noEffect: 'OpenSSL uses the processor instructions anyway' }),
  AccelName: option(text, undefined, 'Name of a cryptographic engine', { fixed: true, defaultOnly: 'no engines are loaded' }),
  AccelDir: option(filename, undefined, 'Folder of cryptographic engines', { fixed: true, defaultOnly: 'no engines are loaded' }),
  NumCPUs: option(natural, '0', 'Threads for relay handshakes; 0 for as many as there are processors', { noEffect: 'handshakes run on the one thread of the node' }),
  __DisableSignalHandlers: option(bool, '0', 'Leave signals alone', { fixed: true, hidden: true }),
  __ReloadTorrcOnSIGHUP: option(bool, '1', 'Whether SIGHUP reads the torrc again', { hidden: true }),
  __OwningControllerProcess: option(text, undefined, 'Exit once the process with this id is gone', { hidden: true }),
  __OwningControllerFD: option(text, undefined, 'File descriptor of an inherited control connection', { fixed: true, hidden: true, defaultOnly: 'control connections are not inherited' }),
}
