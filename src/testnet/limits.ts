/** Every bound of the layer that starts, watches and checks networks. */

/** Bytes of a network file. A longer one is refused. */
export const networkFileBytesMax = 1 << 20
/** Nodes of one network. A larger one is refused. */
export const nodesPerNetworkMax = 5000
/** Nodes of one network on real sockets: node i has the address 127.(i+1).B.C, and 127.254 and 127.255 are the observer's and the lock's. A larger network runs in simulation only. */
export const nodesPerMachineMax = 250
/** Errors of a network file that are shown at once. The others are counted. */
export const shownErrorsMax = 20
/** Characters of a line of the file, and of what is wrong with it, that are shown of an error. */
export const shownLineMax = 160
export const shownMessageMax = 500
/** Depth of `%include` between templates. Beyond it the network is refused. */
export const templateDepthMax = 8
/** Bytes of one JSON line from a node or on the control socket. A consensus of 8,000 relays fits. A longer one ends the connection. */
export const jsonLineBytesMax = 16 << 20
/** Last warnings shown of a node when a start fails, and of all that stand at the same place. */
export const shownWarningsOfNode = 3
export const shownWarningsMax = 8
/** Nodes that are named, and pieces of advice, when a start fails. The other nodes are counted, other advice is left out. */
export const shownNodesMax = 12
export const shownAdviceMax = 4
/** By how much the wall clock must have left the other one behind, or have fallen behind it, for a start that fails to tell of it: no clock is so far out that is only being corrected. */
export const clockJumpToldMs = 10_000
/** Warnings kept for each node. The oldest go. */
export const lastWarningsKept = 20
/** Lines of a child's standard error kept to say why it ended. The oldest go. */
export const lastWordsKept = 20
/** How many pairs of address bytes are tried before claiming an address block counts as impossible. */
export const addressClaimTriesMax = 512
/** How often a listener may lose its port between being chosen and being used, before the start fails. */
export const portTriesMax = 8
/** From SIGTERM to SIGKILL when a node is asked to stop. */
export const stopGraceMs = 1500
/** How long authorities may take for a vote, and then nodes to fetch its outcome. Then that has failed. An authority that is gone makes the others wait. */
export const spreadTimeoutMs = 90_000
/** How long a node that was told to look for a new consensus is waited for before it is told again. */
export const spreadRetryMs = 2000
/** How long clients may take to fetch the descriptors of a new consensus. Then what they have must do. */
export const descriptorsTimeoutMs = 10_000
/** How often they are asked meanwhile. */
export const descriptorsPollMs = 50
/** Votes held to get added relays into the consensus. Then they are waited for like any others. */
export const votesForNewcomersMax = 5
/** How long a command to a node may take. Then it has failed. */
export const commandTimeoutMs = 30_000
/** Requests that a sink remembers. Further ones are answered, and not remembered. */
export const sinkVisitsKept = 10_000
/** Bytes a sink takes from one connection before closing it. */
export const sinkBytesMax = 64 << 20
/** Bytes of one HTTP request at a sink. A longer one is closed. */
export const sinkRequestBytesMax = 64 << 10
/** Bytes waiting to be read from one stream of a check before it stops taking more. */
export const streamReadAheadBytes = 1 << 20
/** Bytes the recording proxy keeps of each direction of a link. What follows passes, and is not kept. */
export const proxyRecordBytesMax = 8 << 20
/** Resident megabytes of a node beyond which a run has failed, unless its suite says otherwise. */
export const nodeMemoryMbMax = 512
/** How long nothing may happen in a check (no byte, no answer, no stage) before it has failed. As long as it comes further it may take any time. */
export const checkPatienceMs = 60_000
/** Checks that run side by side. Those after them wait until all of these are done. */
export const checksAtOnceMax = 16
/** How long the authorities may take over a consensus that a check asks them for, and nodes over fetching it. Then the check has failed. */
export const consensusWaitMs = 120_000
/** How often is looked whether a check comes further; longer pauses than that are time in which the whole machine stood still. */
export const progressTickMs = 1000
/** How long a connection of a check to a SOCKS port may take. Then it has failed. */
export const socksTimeoutMs = 60_000
/** Clients of the control socket at one time. Further ones are closed at once. */
export const controlClientsMax = 64
/** How long a program may take to say its version, or to judge a torrc. Then it is ended, and counts as unusable. */
export const programTimeoutMs = 30_000
/** Bytes of an HTTP answer that a check takes from a sink. With a longer one it has failed. */
export const answerBytesMax = 1 << 20
/** Circuits that a client opens in search of one whose relays can all be asked. Then what could be judged counts. */
export const circuitsTriedMax = 12
/** Characters of the texts that nodes of one process share as read, all together. What has not been asked for longest goes. */
export const sharedTextCharsMax = 16 << 20
/** Characters of a line of a trace that is replayed. At a longer one it counts as ended. */
export const traceLineCharsMax = 16 << 20
/** Characters of a condition that a simulation stops at. A longer one is refused. */
export const conditionCharsMax = 2000
/** Events of the trace that are kept for whoever stops a simulation and asks for them. The oldest go. */
export const debuggerEventsKept = 1000
/** Clients of a run of `relish compare` that measure. The others only take part. */
export const compareClients = 4
/** Circuits that each of them measures latency on. */
export const compareCircuits = 6
/** Single bytes there and back on each circuit. */
export const compareRoundTrips = 10
/** Bytes that come down on one stream, for the throughput. */
export const compareDownloadBytes = 1 << 20
/** Events of a simulation run in one turn of the real event loop when nobody outside notices any of them. */
export const eventsPerTurnMax = 2000
/** Bytes of one direction of a stream that the watcher of streams keeps to compare. Older ones are taken for equal. */
export const ledgerBytesMax = 16 << 20
/** How long a stream that its application has closed may still be taken for the one that a connection of an exit belongs to. */
export const ledgerClosedKeptMs = 300_000
/** Broken invariants that a run keeps. Further ones are those of a network that is broken already. */
export const violationsKept = 100
/** What ends of links may disagree on for so long, because a cell is on its way: half-closed circuits. Then it was forgotten. */
export const settleMs = 10_000
/** Bytes that one write may take a link's buffer past its limit, which is looked at before. */
export const streamBufferSlackBytes = 1 << 20
/** How often virtual time is stopped to look whether an expectation has come true. */
export const expectationPollMs = 500
/** Streams of the traffic that goes on while faults happen: at most so long, so far apart, and so patient. Then they have failed. */
export const trafficStreamBytesMax = 40_000
export const trafficPauseMs = 8000
export const trafficStreamTimeoutMs = 60_000
/** Faults that a seed draws: at most so many, within so long from the start, each for at most so long. */
export const drawnFaultsMax = 6
export const faultPhaseMs = 90_000
export const faultLastsMaxMs = 120_000
/** After the last fault a network has so much virtual time to be whole again. Then it has not converged. */
export const convergenceTimeoutMs = 30 * 60_000
export const convergencePollMs = 5000
/** Observations of one run that are kept. Further ones change nothing: it has failed. */
export const observationsKept = 200
/** Files left behind that are named. The others are counted. */
export const leftFilesShown = 20
/** How often the memory of nodes is looked at. */
export const memorySampleMs = 1000
/** Events of a run that its report keeps for the timeline. The first ones, which are the start, stay. */
export const timelineKept = 2000
/** Characters of one text of a bundle: logs, a document. A longer one is cut in the middle, which it says. */
export const bundleFileBytesMax = 16 << 20
/** Rows of a table in the summary of a step, which GitHub bounds too. The rest is in the other reports. */
export const summaryRowsMax = 100
/** Runs that are spent on making one failure smaller. */
export const shrinkRunsMax = 60
/** Characters of a trace that are kept before they are written, when two runs are compared. */
export const traceLinesBufferedChars = 1 << 20
/** Seconds without progress after which the start of an explored network has failed: lost connection attempts take their time. */
export const startPatienceSec = 600
/** How often nodes of a network with faults are asked what waits where. */
export const inspectionIntervalMs = 10_000
