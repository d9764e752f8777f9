/** Options for test networks: the switch that changes defaults, C tor's testing options, and our own. */

import { allLines, bool, choice, filename, integer, interval, natural, optionsOf } from '../option-spec.ts'
import { parseListenFds, type ListenFd } from '../listen-fd.ts'

const option = optionsOf('testing')

export const testingOptions = {
  TestingTorNetwork: option(bool, '0', 'This is a test network: other defaults, and options that start with Testing', { fixed: true }),
  TestingMinTimeToReportBandwidth: option(interval, '1 day', 'Uptime before observed bandwidth is published', { testingOnly: true, testing: '0 seconds' }),
  TestingLinkCertLifetime: option(interval, '2 days', 'Lifetime of link certificates', { testingOnly: true, defaultOnly: 'link certificates live as long as they do by default' }),
  TestingAuthKeyLifetime: option(interval, '2 days', 'Lifetime of link authentication certificates', { testingOnly: true, defaultOnly: 'link certificates live as long as they do by default' }),
  TestingLinkKeySlop: option(interval, '3 hours', 'How early link certificates are replaced', { testingOnly: true, defaultOnly: 'link certificates live as long as they do by default' }),
  TestingAuthKeySlop: option(interval, '3 hours', 'How early link authentication certificates are replaced', { testingOnly: true, defaultOnly: 'link certificates live as long as they do by default' }),
  TestingSigningKeySlop: option(interval, '1 day', 'How early signing keys are replaced', { testingOnly: true }),
  TestingEnableConnBwEvent: option(bool, '0', 'CONN_BW events on the control port', { testingOnly: true, testing: '1', noEffect: 'there are no such events' }),
  TestingEnableCellStatsEvent: option(bool, '0', 'CELL_STATS events on the control port', { testingOnly: true, testing: '1', noEffect: 'there are no such events' }),
  // From here on: not in C tor. They change no byte that others must parse.
  TestingEventsFd: option(integer, '-1', 'Inherited descriptor for events and commands as JSON lines; its end ends the node', { fixed: true, hidden: true }),
  TestingListenFd: option(allLines<readonly ListenFd[]>('LineList', [], parseListenFds), undefined, 'ADDRESS:PORT=FD: use an inherited listening socket for a port of ours', { fixed: true, hidden: true }),
  TestingV3AuthVoteWhenRelays: option(natural, '0', 'Vote as soon as this many relays are held and reachable; 0 to keep to the schedule', { testingOnly: true }),
  TestingLinkKeyType: option(choice('rsa', 'p256'), 'rsa', 'Kind of the key of TLS certificates: as C tor’s, or sooner made', { fixed: true, testingOnly: true }),
  TestingTraceFile: option(filename, undefined, 'Record every event of this node into this file, as lines of JSON', { fixed: true }),
  TestingClockOffset: option(integer, '0', 'Seconds this node’s clock is ahead of the machine’s', { fixed: true, testingOnly: true }),
}
