/** Options of directory caches and of how documents are fetched. */

import { bool, filename, firstInterval, interval, memory, natural, optionsOf, policyLines } from '../option-spec.ts'
import { ports } from './kinds.ts'

const option = optionsOf('directory')
const schedule = { testingOnly: true, testing: '0' } as const

export const directoryOptions = {
  DirPort: option(ports('dir'), undefined, 'Where to serve directory documents over plain HTTP: [ADDRESS:]PORT|auto [flags]'),
  DirCache: option(bool, '1', 'Whether a relay keeps and serves directory documents'),
  DirPolicy: option(policyLines, undefined, 'Who may connect to DirPort', { defaultOnly: 'every address may ask' }),
  DirPortFrontPage: option(filename, undefined, 'File served for / on DirPort', { defaultOnly: 'there is no front page' }),
  DirAllowPrivateAddresses: option(bool, '0', 'Accept descriptors with private addresses', { testing: '1' }),
  MaxConsensusAgeForDiffs: option(interval, '0 seconds', 'Oldest consensus that diffs are made from; 0 to choose', { noEffect: 'it is chosen' }),
  ClientBootstrapConsensusAuthorityDownloadInitialDelay: option(firstInterval, '6', 'First delay of a client asking authorities, beside fallback directories', { testing: '0', noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  ClientBootstrapConsensusFallbackDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client asking fallback directories', { testing: '0', noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client that has authorities only', { testing: '0', noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  ClientBootstrapConsensusMaxInProgressTries: option(natural, '3', 'Requests for a consensus at a time while bootstrapping', { noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingServerDownloadInitialDelay: option(firstInterval, '0', 'First delay of a relay fetching descriptors', { ...schedule, noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingClientDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client fetching descriptors', { ...schedule, noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingServerConsensusDownloadInitialDelay: option(firstInterval, '0', 'First delay of a relay fetching a consensus', { ...schedule, noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingClientConsensusDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client fetching a consensus', { ...schedule, noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingBridgeDownloadInitialDelay: option(firstInterval, '10800', 'First delay of fetching a bridge’s descriptor again', { testingOnly: true, testing: '10', noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingBridgeBootstrapDownloadInitialDelay: option(firstInterval, '0', 'First delay of fetching a bridge’s descriptor', { ...schedule, noEffect: 'downloads begin at once and are repeated at growing intervals' }),
  TestingClientMaxIntervalWithoutRequest: option(interval, '10 minutes', 'How long descriptor requests are held back to be joined', { testingOnly: true, testing: '5 seconds', noEffect: 'requests are not held back' }),
  TestingDirConnectionMaxStall: option(interval, '5 minutes', 'How long a directory connection may stand still', { testingOnly: true, testing: '30 seconds', noEffect: 'requests have a deadline of their own' }),
  RephistTrackTime: option(interval, '24 hours', 'How long reachability of relays is remembered', { noEffect: 'history is kept as long as a relay is known' }),
  MaxHSDirCacheBytes: option(memory, '0', 'Space for onion-service descriptors; 0 for the limit in docs/LIMITS.md'),
}
