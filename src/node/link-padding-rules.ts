/** How a node pads its links, from its options and its network's parameters (padding-spec §2.5, §2.6). */

import type { NetDir } from '../core/netdir/net-dir.ts'
import { NetworkParameters } from '../core/netdir/parameters.ts'
import type { LinkPaddingRules } from '../core/proto/channel/link-padding.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'

/** Without a consensus the defaults hold, as in C tor. */
export function linkPaddingRules(netDir: NetDir | undefined, options: Pick<TorOptions, 'ConnectionPadding' | 'ReducedConnectionPadding'>): LinkPaddingRules {
  const parameters = netDir?.parameters ?? new NetworkParameters()
  const range = (low: 'nf_ito_low' | 'nf_ito_low_reduced', high: 'nf_ito_high' | 'nf_ito_high_reduced') => {
    const lowMs = parameters.get(low)
    return { lowMs, highMs: Math.max(lowMs, parameters.get(high)) }
  }
  return {
    range: range('nf_ito_low', 'nf_ito_high'),
    reduced: range('nf_ito_low_reduced', 'nf_ito_high_reduced'),
    padsRelays: parameters.get('nf_pad_relays') === 1,
    padsBeforeUsage: parameters.get('nf_pad_before_usage') === 1,
    choice: choiceOf(options),
  }
}

/** As C tor: off is off, and less is less also of what is asked for. */
function choiceOf(options: Pick<TorOptions, 'ConnectionPadding' | 'ReducedConnectionPadding'>): LinkPaddingRules['choice'] {
  if (options.ConnectionPadding === false) return 'never'
  if (options.ReducedConnectionPadding) return 'reduced'
  return options.ConnectionPadding === true ? 'always' : 'auto'
}
