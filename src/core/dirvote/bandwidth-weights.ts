/**
 * The `bandwidth-weights` of a consensus (dir-spec §3.8.3): how much of the bandwidth of guards, exits and relays that
 * are both is used in each position of a circuit. Integers with C's truncating division, since all authorities must
 * come to the same digits.
 */

/** Total bandwidth of relays by class, in kilobytes a second; each at least 1. */
export interface BandwidthTotals {
  /** Guards that are not exits. */
  guard: bigint
  /** Neither. */
  middle: bigint
  /** Exits that are not guards. */
  exit: bigint
  /** Both. */
  both: bigint
  /** Of all. Not always the sum: with guard fractions C tor counts the other part of a guard only in its class. */
  total: bigint
}

interface Weights {
  Wgg: bigint
  Wgd: bigint
  Wmg: bigint
  Wme: bigint
  Wmd: bigint
  Wee: bigint
  Wed: bigint
}

const MARGIN = 10n

/** Weights in the order of the line, or an empty map where no balance can be computed. */
export function computeBandwidthWeights(totals: BandwidthTotals, scaleNumber: number): ReadonlyMap<string, number> {
  const scale = BigInt(scaleNumber)
  const weights = balance(totals, scale)
  if (weights === undefined) return new Map()
  const { Wgg, Wgd, Wmg, Wme, Wmd, Wee, Wed } = weights
  const line: [string, bigint][] = [
    ['Wbd', Wmd], ['Wbe', Wme], ['Wbg', Wmg], ['Wbm', scale],
    ['Wdb', scale],
    ['Web', scale], ['Wed', Wed], ['Wee', Wee], ['Weg', Wed], ['Wem', Wee],
    ['Wgb', scale], ['Wgd', Wgd], ['Wgg', Wgg], ['Wgm', Wgg],
    ['Wmb', scale], ['Wmd', Wmd], ['Wme', Wme], ['Wmg', Wmg], ['Wmm', scale],
  ]
  return new Map(line.map(([name, value]) => [name, Number(value)]))
}

function balance(totals: BandwidthTotals, scale: bigint): Weights | undefined {
  const { guard: G, middle: M, exit: E, both: D, total: T } = totals
  if (G <= 0n || M <= 0n || E <= 0n || D <= 0n) return undefined
  const exitScarce = 3n * E < T
  const guardScarce = 3n * G < T
  if (!exitScarce && !guardScarce) return whenNeitherIsScarce(totals, scale)
  if (exitScarce && guardScarce) return whenBothAreScarce(totals, scale)
  return whenOneIsScarce(totals, scale)
}

/** dir-spec §3.8.3, case 1. */
function whenNeitherIsScarce(totals: BandwidthTotals, scale: bigint): Weights | undefined {
  const { guard: G, middle: M, exit: E } = totals
  const third = scale / 3n
  const Wee = (scale * (E + G + M)) / (3n * E)
  const Wmg = (scale * (2n * G - E - M)) / (3n * G)
  const weights = { Wgd: third, Wed: third, Wmd: third, Wee, Wme: scale - Wee, Wmg, Wgg: scale - Wmg }
  return check(weights, totals, scale) === 'good' ? weights : undefined
}

/** dir-spec §3.8.3, case 2. */
function whenBothAreScarce(totals: BandwidthTotals, scale: bigint): Weights | undefined {
  const { guard: G, middle: M, exit: E, both: D } = totals
  const [R, S] = E < G ? [E, G] : [G, E]
  if (R + D < S) {
    // Subcase a: all that is both serves the scarcer of the two.
    const forExit = E < G
    return { Wgg: scale, Wee: scale, Wmg: 0n, Wme: 0n, Wmd: 0n, Wed: forExit ? scale : 0n, Wgd: forExit ? 0n : scale }
  }
  // Subcase b: R + D >= S. First with Wgg = 1 and Wmd = Wgd.
  const Wed = (scale * (D - 2n * E + 4n * G - 2n * M)) / (3n * D)
  const first: Weights = {
    Wee: (scale * (E - G + M)) / E,
    Wed,
    Wme: (scale * (G - M)) / E,
    Wmg: 0n,
    Wgg: scale,
    Wmd: (scale - Wed) / 2n,
    Wgd: (scale - Wed) / 2n,
  }
  if (check(first, totals, scale) === 'good') return first
  // Then with Wgg = 1 and Wee = 1.
  const WedSecond = (scale * (D - 2n * E + G + M)) / (3n * D)
  const WmdSecond = (scale * (D - 2n * M + G + E)) / (3n * D)
  // Below zero when more than a third of all bandwidth is in the middle.
  const Wmd = WmdSecond < 0n ? 0n : WmdSecond
  const second: Weights = { Wgg: scale, Wee: scale, Wed: WedSecond, Wmd, Wme: 0n, Wmg: 0n, Wgd: scale - WedSecond - Wmd }
  const verdict = check(second, totals, scale)
  return verdict === 'good' || verdict === 'middle-unbalanced' ? second : undefined
}

/** dir-spec §3.8.3, case 3. */
function whenOneIsScarce(totals: BandwidthTotals, scale: bigint): Weights | undefined {
  const { guard: G, middle: M, exit: E, both: D, total: T } = totals
  const S = E < G ? E : G
  if (3n * (S + D) < T) {
    // Subcase a: all that is both serves the scarce one, and the other gives to the middle what it has more than it.
    if (G < E) {
      const Wme = E < M ? 0n : (scale * (E - M)) / (2n * E)
      return { Wgg: scale, Wgd: scale, Wmd: 0n, Wed: 0n, Wmg: 0n, Wme, Wee: scale - Wme }
    }
    const Wmg = G < M ? 0n : (scale * (G - M)) / (2n * G)
    return { Wee: scale, Wed: scale, Wmd: 0n, Wgd: 0n, Wme: 0n, Wmg, Wgg: scale - Wmg }
  }
  // Subcase b.
  let weights: Weights
  if (G < E) {
    const Wgd = (scale * (D - 2n * G + E + M)) / (3n * D)
    const Wee = (scale * (E + M)) / (2n * E)
    weights = { Wgg: scale, Wgd, Wmg: 0n, Wee, Wme: scale - Wee, Wmd: (scale - Wgd) / 2n, Wed: (scale - Wgd) / 2n }
  } else {
    const Wed = (scale * (D - 2n * E + G + M)) / (3n * D)
    const Wgg = (scale * (G + M)) / (2n * G)
    weights = { Wee: scale, Wed, Wme: 0n, Wgg, Wmg: scale - Wgg, Wmd: (scale - Wed) / 2n, Wgd: (scale - Wed) / 2n }
  }
  return check(weights, totals, scale) === 'good' ? weights : undefined
}

type Verdict = 'good' | 'bad' | 'middle-unbalanced'

/** Whether weights sum to one, are between zero and one, and balance the positions, within rounding. */
function check(weights: Weights, totals: BandwidthTotals, scale: bigint): Verdict {
  const { Wgg, Wgd, Wmg, Wme, Wmd, Wee, Wed } = weights
  const { guard: G, middle: M, exit: E, both: D, total: T } = totals
  const near = (a: bigint, b: bigint, margin: bigint): boolean => (a > b ? a - b : b - a) <= margin
  if (!near(Wed + Wmd + Wgd, scale, MARGIN) || !near(Wmg + Wgg, scale, MARGIN) || !near(Wme + Wee, scale, MARGIN)) return 'bad'
  if (Object.values(weights).some((weight: bigint) => weight < 0n || weight > scale)) return 'bad'
  const guardPosition = Wgg * G + Wgd * D
  if (!near(guardPosition, Wee * E + Wed * D, (MARGIN * T) / 3n)) return 'bad'
  if (!near(guardPosition, M * scale + Wmd * D + Wme * E + Wmg * G, (MARGIN * T) / 3n)) return 'middle-unbalanced'
  return 'good'
}
