/** The consensus parameters of flow and congestion control, for circuits made from now on (param-spec §1, prop324 §6.5). */

import type { NetDir } from '../core/netdir/net-dir.ts'
import { NetworkParameters, type ParameterName } from '../core/netdir/parameters.ts'
import type { FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { CircuitKind, CongestionParameters, VegasThresholds } from '../core/proto/flow/congestion-parameters.ts'
import { ClockHealth } from '../core/proto/flow/round-trip.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { CircuitQueueMarks } from './link-channel.ts'

/** The parameters of a node, made anew when its view of the network is another. */
export class NodeFlowParameters {
  readonly #clock = new ClockHealth()
  #made: { readonly netDir: NetDir | undefined; readonly options: TorOptions; readonly flow: FlowParameters } | undefined

  current(netDir: NetDir | undefined, options: TorOptions): FlowParameters {
    if (this.#made === undefined || this.#made.netDir !== netDir || this.#made.options !== options) {
      this.#made = { netDir, options, flow: flowParameters(netDir, options, this.#clock) }
    }
    return this.#made.flow
  }
}

/** Without a consensus the defaults hold, as in C tor. `clock`: one for the whole node. */
export function flowParameters(
  netDir: NetDir | undefined,
  options: Pick<TorOptions, '__AlwaysCongestionControl' | '__SbwsExit'>,
  clock: ClockHealth,
): FlowParameters {
  const parameters = netDir?.parameters ?? new NetworkParameters()
  // prop324 §10.1. C tor uses Vegas, too, where the consensus asks for an algorithm that was given up.
  const usesCongestion = parameters.get('cc_alg') !== 0 || options.__AlwaysCongestionControl
  return {
    circuitWindow: parameters.get('circwindow'),
    sendmeAcceptMinVersion: parameters.get('sendme_accept_min_version'),
    sendmeEmitMinVersion: parameters.get('sendme_emit_min_version'),
    clock,
    endingKind: options.__SbwsExit ? 'sbws' : 'exit',
    ...(usesCongestion ? { congestion: congestionParameters(parameters) } : {}),
  }
}

/** When circuits are told that their link is busy. To stop at fewer cells than to go on at would make no sense. */
export function circuitQueueMarks(netDir: NetDir | undefined): CircuitQueueMarks {
  const parameters = netDir?.parameters ?? new NetworkParameters()
  const high = parameters.get('cellq_high')
  return { high, low: Math.min(parameters.get('cellq_low'), high) }
}

export function congestionParameters(parameters: NetworkParameters): CongestionParameters {
  const get = (name: ParameterName): number => parameters.get(name)
  return {
    sendmeIncrement: get('cc_sendme_inc'),
    windowInitial: get('cc_cwnd_init'),
    windowMin: get('cc_cwnd_min'),
    windowMax: get('cc_cwnd_max'),
    windowIncrement: get('cc_cwnd_inc'),
    windowUpdatesPerWindow: get('cc_cwnd_inc_rate'),
    slowStartPercent: get('cc_cwnd_inc_pct_ss'),
    slowStartWindowMax: get('cc_ss_max'),
    fullGapIncrements: get('cc_cwnd_full_gap'),
    fullMinPercent: get('cc_cwnd_full_minpct'),
    fullPerWindow: get('cc_cwnd_full_per_cwnd') === 1,
    ewmaWindowPercent: get('cc_ewma_cwnd_pct'),
    ewmaMax: get('cc_ewma_max'),
    ewmaSlowStart: get('cc_ewma_ss'),
    rttResetPercent: get('cc_rtt_reset_pct'),
    vegas: { exit: vegasThresholds(parameters, 'exit'), onion: vegasThresholds(parameters, 'onion'), sbws: vegasThresholds(parameters, 'sbws') },
    streams: {
      xoffExitCells: get('cc_xoff_exit'),
      xoffClientCells: get('cc_xoff_client'),
      xonRateCells: get('cc_xon_rate'),
      xonChangePercent: get('cc_xon_change_pct'),
      xonEwmaCount: get('cc_xon_ewma_cnt'),
    },
  }
}

function vegasThresholds(parameters: NetworkParameters, kind: CircuitKind): VegasThresholds {
  return {
    alpha: parameters.get(`cc_vegas_alpha_${kind}`),
    beta: parameters.get(`cc_vegas_beta_${kind}`),
    gamma: parameters.get(`cc_vegas_gamma_${kind}`),
    delta: parameters.get(`cc_vegas_delta_${kind}`),
    slowStartCap: parameters.get(`cc_sscap_${kind}`),
  }
}
