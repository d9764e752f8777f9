/**
 * Options of onion services. Those that begin with `HiddenServiceDir` describe one service: each HiddenServiceDir line
 * begins a service, and the lines that follow belong to it (`onionServiceOptions`); the others are for the node.
 */

import { allLines, bool, choice, filename, natural, optionsOf, text } from '../option-spec.ts'
import { parseHiddenServicePorts } from '../hidden-service-port.ts'

const option = optionsOf('onion-service')

export const onionServiceOptions = {
  HiddenServiceDir: option(filename, undefined, 'Folder of one onion service, with its keys and name; begins the service', { defaultOnly: 'this program does not run or visit onion services yet' }),
  HiddenServiceDirGroupReadable: option(bool, '0', 'Whether the group may read that folder'),
  HiddenServicePort: option(allLines('LineList', [], parseHiddenServicePorts), undefined, 'VIRTPORT [TARGET]: where streams to a port of the service go'),
  HiddenServiceVersion: option(choice('3'), '3', 'Version of the service'),
  HiddenServiceAllowUnknownPorts: option(bool, '0', 'Let circuits live that ask for other ports'),
  HiddenServiceMaxStreams: option(natural, '0', 'Streams of one circuit at a time; 0 for no limit'),
  HiddenServiceMaxStreamsCloseCircuit: option(bool, '0', 'Close the circuit at that limit'),
  HiddenServiceNumIntroductionPoints: option(natural, '3', 'Introduction points, up to 20'),
  HiddenServiceExportCircuitID: option(text, undefined, 'How the target learns the circuit: haproxy'),
  HiddenServiceEnableIntroDoSDefense: option(bool, '0', 'Ask introduction points to limit introductions'),
  HiddenServiceEnableIntroDoSRatePerSec: option(natural, '25', 'Introductions a second for that'),
  HiddenServiceEnableIntroDoSBurstPerSec: option(natural, '200', 'Burst of introductions for that'),
  HiddenServiceOnionBalanceInstance: option(bool, '0', 'Be a backend of Onionbalance', { defaultOnly: 'there is no Onionbalance support' }),
  HiddenServicePoWDefensesEnabled: option(bool, '0', 'Ask clients for proof of work under load', { defaultOnly: 'there is no proof of work' }),
  HiddenServicePoWQueueRate: option(natural, '250', 'Introductions a second under proof of work', { noEffect: 'there is no proof of work' }),
  HiddenServicePoWQueueBurst: option(natural, '2500', 'Burst of introductions under proof of work', { noEffect: 'there is no proof of work' }),
}

export const onionNodeOptions = {
  HiddenServiceSingleHopMode: option(bool, '0', 'Services use one hop and are not anonymous', { fixed: true, defaultOnly: 'this program does not run or visit onion services yet' }),
  HiddenServiceNonAnonymousMode: option(bool, '0', 'Confirms HiddenServiceSingleHopMode', { fixed: true, defaultOnly: 'this program does not run or visit onion services yet' }),
  ClientOnionAuthDir: option(filename, undefined, 'Folder of keys for services that want client authorization', { defaultOnly: 'this program does not run or visit onion services yet' }),
  PublishHidServDescriptors: option(bool, '1', 'Publish descriptors of onion services', { noEffect: 'this program does not run or visit onion services yet' }),
  FetchHidServDescriptors: option(bool, '1', 'Fetch descriptors of onion services', { noEffect: 'this program does not run or visit onion services yet' }),
}
