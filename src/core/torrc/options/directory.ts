/** Options of directory caches and of how documents are fetched. */

import { bool, filename, firstInterval, interval, memory, natural, optionsOf, policyLines } from '../option-spec.ts'
import { ports } from './kinds.ts'

const option = optionsOf('directory')
const schedule = { testingOnly: true, testing: '0' } as const

export const directoryOptions = {
  DirPort: option(ports('dir'), undefined, 'Where to serve directory documents over plain HTTP: [ADDRESS:]PORT|auto [flags]'),
  DirCache: option(bool, '1', 'Whether a relay keeps and serves directory documents'),
  DirPolicy: option(policyLines, undefined, 'Who may connect to DirPort'),
  DirPortFrontPage: option(filename, undefined, 'File served for / on DirPort'),
  DirAllowPrivateAddresses: option(bool, '0', 'Accept descriptors with private addresses', { testing: '1' }),
  MaxConsensusAgeForDiffs: option(interval, '0 seconds', 'Oldest consensus that diffs are made from; 0 to choose'),
  ClientBootstrapConsensusAuthorityDownloadInitialDelay: option(firstInterval, '6', 'First delay of a client asking authorities, beside fallback directories', { testing: '0' }),
  ClientBootstrapConsensusFallbackDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client asking fallback directories', { testing: '0' }),
  ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client that has authorities only', { testing: '0' }),
  ClientBootstrapConsensusMaxInProgressTries: option(natural, '3', 'Requests for a consensus at a time while bootstrapping'),
  TestingServerDownloadInitialDelay: option(firstInterval, '0', 'First delay of a relay fetching descriptors', schedule),
  TestingClientDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client fetching descriptors', schedule),
  TestingServerConsensusDownloadInitialDelay: option(firstInterval, '0', 'First delay of a relay fetching a consensus', schedule),
  TestingClientConsensusDownloadInitialDelay: option(firstInterval, '0', 'First delay of a client fetching a consensus', schedule),
  TestingBridgeDownloadInitialDelay: option(firstInterval, '10800', 'First delay of fetching a bridge’s descriptor again', { testingOnly: true, testing: '10' }),
  TestingBridgeBootstrapDownloadInitialDelay: option(firstInterval, '0', 'First delay of fetching a bridge’s descriptor', schedule),
  TestingClientMaxIntervalWithoutRequest: option(interval, '10 minutes', 'How long descriptor requests are held back to be joined', { testingOnly: true, testing: '5 seconds' }),
  TestingDirConnectionMaxStall: option(interval, '5 minutes', 'How long a directory connection may stand still', { testingOnly: true, testing: '30 seconds' }),
  RephistTrackTime: option(interval, '24 hours', 'How long reachability of relays is remembered'),
  MaxHSDirCacheBytes: option(memory, '0', 'Space for onion-service descriptors; 0 to choose by memory'),
}
