/**
 * Consensus parameters with their defaults and bounds (param-spec; where it is silent or older, C tor 0.4.9). A value
 * outside its bounds is moved to the nearer bound (dir-spec §3.4.1, `params`); an absent one takes its default.
 */

const int32Max = 0x7fff_ffff
const days = 86_400

/** `[default, least, greatest]` */
const table = {
  // param-spec §1: network protocol
  circwindow: [1000, 100, 1000],
  min_paths_for_circs_pct: [60, 25, 95],
  ExtendByEd25519ID: [0, 0, 1],
  // SPEC-DIFF: param-spec §1 gives 0; C tor emits version 1 unless told otherwise.
  sendme_emit_min_version: [1, 0, 255],
  sendme_accept_min_version: [0, 0, 255],
  'allow-network-reentry': [0, 0, 1],
  // param-spec §2: performance
  CircuitPriorityHalflifeMsec: [30_000, 1, int32Max],
  circ_max_cell_queue_size: [50_000, 1000, int32Max],
  circ_max_cell_queue_size_out: [50_000, 1000, int32Max],
  cellq_high: [256, 1, 1000],
  cellq_low: [10, 1, 1000],
  // prop324 §6.5, as C tor 0.4.9 has its defaults and bounds; 31 cells fill a TLS record, 62 a link's buffer
  cc_alg: [2, 0, 3],
  cc_sendme_inc: [31, 1, 254],
  cc_cwnd_init: [4 * 31, 31, 10_000],
  cc_cwnd_min: [4 * 31, 31, 1000],
  cc_cwnd_max: [int32Max, 500, int32Max],
  cc_cwnd_inc: [1, 1, 1000],
  cc_cwnd_inc_pct_ss: [100, 1, 500],
  cc_cwnd_inc_rate: [31, 1, 250],
  cc_cwnd_full_gap: [4, 0, 32_767],
  cc_cwnd_full_minpct: [25, 0, 100],
  cc_cwnd_full_per_cwnd: [1, 0, 1],
  cc_ewma_cwnd_pct: [50, 1, 255],
  cc_ewma_max: [10, 2, int32Max],
  cc_ewma_ss: [2, 2, int32Max],
  cc_rtt_reset_pct: [100, 0, 100],
  cc_ss_max: [5000, 500, int32Max],
  cc_sscap_exit: [600, 100, int32Max],
  cc_sscap_onion: [475, 100, int32Max],
  cc_sscap_sbws: [400, 100, int32Max],
  cc_vegas_alpha_exit: [3 * 62, 0, 1000],
  cc_vegas_beta_exit: [4 * 62, 0, 1000],
  cc_vegas_gamma_exit: [3 * 62, 0, 1000],
  cc_vegas_delta_exit: [5 * 62, 0, int32Max],
  cc_vegas_alpha_onion: [3 * 62, 0, 1000],
  cc_vegas_beta_onion: [6 * 62, 0, 1000],
  cc_vegas_gamma_onion: [4 * 62, 0, 1000],
  cc_vegas_delta_onion: [7 * 62, 0, int32Max],
  cc_vegas_alpha_sbws: [2 * 62 - 31, 0, 1000],
  cc_vegas_beta_sbws: [2 * 62 + 31, 0, 1000],
  cc_vegas_gamma_sbws: [2 * 62, 0, 1000],
  cc_vegas_delta_sbws: [4 * 62, 0, int32Max],
  cc_xoff_client: [500, 1, 10_000],
  cc_xoff_exit: [500, 1, 10_000],
  cc_xon_rate: [500, 1, 5000],
  cc_xon_change_pct: [25, 1, 99],
  cc_xon_ewma_cnt: [2, 2, 100],
  // padding-spec §2.6; bounds as in C tor 0.4.9
  nf_ito_low: [1500, 0, 60_000],
  nf_ito_high: [9500, 0, 60_000],
  nf_ito_low_reduced: [9000, 0, 60_000],
  nf_ito_high_reduced: [14_000, 0, 60_000],
  nf_pad_before_usage: [1, 0, 1],
  nf_pad_relays: [0, 0, 1],
  // param-spec §3: voting
  bwweightscale: [10_000, 1, int32Max],
  FastFlagMinThreshold: [4, 4, int32Max],
  FastFlagMaxThreshold: [int32Max, 4, int32Max],
  // path-spec §2.4.5: circuit build timeout
  cbtdisabled: [0, 0, 1],
  cbtnummodes: [10, 1, 20],
  cbtrecentcount: [20, 3, 1000],
  cbtmaxtimeouts: [18, 3, 10_000],
  cbtmincircs: [100, 1, 10_000],
  cbtquantile: [80, 10, 99],
  cbtclosequantile: [99, 10, 99],
  cbttestfreq: [10, 1, int32Max],
  cbtmintimeout: [10, 10, int32Max],
  cbtinitialtimeout: [60_000, 10, int32Max],
  cbtlearntimeout: [180, 10, 60_000],
  cbtmaxopencircs: [10, 0, 14],
  // param-spec §5: directory
  'max-consensus-age-to-cache-for-diff': [72, 0, 8192],
  'try-diff-for-consensus-newer-than': [72, 0, 8192],
  // param-spec §7: relays
  refuseunknownexits: [1, 0, 1],
  'onion-key-rotation-days': [28, 1, 90],
  'onion-key-grace-period-days': [7, 1, 90],
  AllowNonearlyExtend: [0, 0, 1],
  'assume-reachable': [0, 0, 1],
  'assume-reachable-ipv6': [0, 0, 1],
  exit_dns_timeout: [1000, 1, 120_000],
  exit_dns_num_attempts: [2, 0, 255],
  // prop321: families
  'use-family-lists': [1, 0, 1],
  'use-family-ids': [1, 0, 1],
  'publish-family-list': [1, 0, 1],
  // param-spec §8: onion services
  hs_intro_min_introduce2: [16_384, 0, int32Max],
  hs_intro_max_introduce2: [32_768, 0, int32Max],
  hs_intro_min_lifetime: [64_800, 0, int32Max],
  hs_intro_max_lifetime: [86_400, 0, int32Max],
  hs_intro_num_extra: [2, 0, 128],
  hsdir_interval: [1440, 30, 14_400],
  hsdir_n_replicas: [2, 1, 16],
  hsdir_spread_fetch: [3, 1, 128],
  hsdir_spread_store: [4, 1, 128],
  HSV3MaxDescriptorSize: [50_000, 1, int32Max],
  hs_service_max_rdv_failures: [2, 1, 10],
  HiddenServiceEnableIntroDoSDefense: [0, 0, 1],
  HiddenServiceEnableIntroDoSBurstPerSec: [200, 0, int32Max],
  HiddenServiceEnableIntroDoSRatePerSec: [25, 0, int32Max],
  // param-spec §9: denial of service
  DoSRefuseSingleHopClientRendezvous: [0, 0, 1],
  // param-spec §11: guards
  UseGuardFraction: [0, 0, 1],
  'guard-lifetime-days': [120, 1, 3650],
  'guard-confirmed-min-lifetime-days': [60, 1, 3650],
  'guard-internet-likely-down-interval': [600, 1, int32Max],
  'guard-max-sample-size': [60, 1, int32Max],
  'guard-max-sample-threshold-percent': [20, 1, 100],
  'guard-meaningful-restriction-percent': [20, 1, 100],
  'guard-extreme-restriction-percent': [1, 1, 100],
  'guard-min-filtered-sample-size': [20, 1, int32Max],
  'guard-n-primary-guards': [3, 1, int32Max],
  'guard-n-primary-guards-to-use': [1, 1, int32Max],
  'guard-n-primary-dir-guards-to-use': [3, 1, int32Max],
  'guard-nonprimary-guard-connect-timeout': [15, 1, int32Max],
  'guard-nonprimary-guard-idle-timeout': [600, 1, int32Max],
  'guard-remove-unlisted-guards-after-days': [20, 1, 3650],
  // prop333: vanguards lite
  'vanguards-lite-enabled': [1, 0, 1],
  'guard-hs-l2-number': [4, 1, 19],
  'guard-hs-l2-lifetime-min': [days, 1, int32Max],
  'guard-hs-l2-lifetime-max': [12 * days, 1, int32Max],
} as const satisfies Record<string, readonly [fallback: number, least: number, greatest: number]>

export type ParameterName = keyof typeof table

export class NetworkParameters {
  readonly #values: ReadonlyMap<string, number>

  /** `values`: the `params` line of a consensus; empty where there is none. */
  constructor(values: ReadonlyMap<string, number> = new Map()) {
    this.#values = values
  }

  get(name: ParameterName): number {
    const [fallback, least, greatest] = table[name]
    const value = this.#values.get(name)
    return value === undefined ? fallback : Math.min(Math.max(value, least), greatest)
  }

  /** The value as the consensus states it, for parameters whose bounds another layer knows. */
  raw(name: string): number | undefined {
    return this.#values.get(name)
  }
}
