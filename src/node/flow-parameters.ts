/** The consensus parameters of flow control, for circuits made from now on (param-spec §1). */

import type { NetDir } from '../core/netdir/net-dir.ts'
import type { FlowParameters } from '../core/proto/flow/circuit-flow.ts'

export function flowParameters(netDir: NetDir | undefined): FlowParameters {
  if (netDir === undefined) return {}
  const { parameters } = netDir
  return {
    circuitWindow: parameters.get('circwindow'),
    sendmeAcceptMinVersion: parameters.get('sendme_accept_min_version'),
    sendmeEmitMinVersion: parameters.get('sendme_emit_min_version'),
  }
}
