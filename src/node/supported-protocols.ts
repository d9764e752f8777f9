/** The subprotocol versions this program implements (tor-spec §9), as its descriptors state them. Nothing more is claimed. */

import { ProtocolList } from '../core/netdoc/protocol-list.ts'

export const supportedProtocols: ProtocolList = ProtocolList.parse('Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=2 Link=4-5 LinkAuth=3 Microdesc=2 Relay=2-4')
