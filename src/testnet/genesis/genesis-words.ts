/** How people are told of the way a network began. */

/** What is left out, for those who see how long a warm start took. */
export const skippedByWarmGenesis = 'no descriptor was uploaded or fetched, no relay tested, no first vote held; the authorities vote for the next consensus as usual'
