/** Exit policies as path selection asks them, made from either kind of descriptor (path-spec §2.2.1). */

import { isIpv6, isPrivateIp } from '../ident/address.ts'
import type { ExitPolicy, PolicyVerdict } from '../netdoc/exit-policy.ts'
import type { PortPolicy } from '../netdoc/port-policy.ts'
import type { ExitPolicyView } from './relay.ts'

/**
 * From a microdescriptor's port summaries. `rejectPrivate`: the ClientRejectInternalAddresses option. A summary never
 * promises: the answer to an allowed port is `probably-accepted`, since single addresses may be refused all the same.
 */
export function summaryPolicyView(ipv4: PortPolicy | undefined, ipv6: PortPolicy | undefined, rejectPrivate: boolean): ExitPolicyView {
  return {
    rejectsAll: (ipv4?.rejectsAll ?? true) && (ipv6?.rejectsAll ?? true),
    compare(address, port): PolicyVerdict {
      if (address !== undefined && rejectPrivate && isPrivateIp(address)) return 'rejected'
      const policy = address !== undefined && isIpv6(address) ? ipv6 : ipv4
      return policy?.allows(port) === true ? 'probably-accepted' : 'rejected'
    },
  }
}

/** From a server descriptor: the full IPv4 policy, and the summary it gives for IPv6. */
export function fullPolicyView(policy: ExitPolicy, ipv6: PortPolicy | undefined, rejectPrivate: boolean): ExitPolicyView {
  return {
    rejectsAll: policy.rejectsAll(4) && (ipv6?.rejectsAll ?? true),
    compare(address, port): PolicyVerdict {
      if (address === undefined) return policy.verdictForPort(port, 4)
      if (rejectPrivate && isPrivateIp(address)) return 'rejected'
      if (isIpv6(address)) return ipv6?.allows(port) === true ? 'probably-accepted' : 'rejected'
      return policy.allows(address, port) ? 'accepted' : 'rejected'
    },
  }
}
