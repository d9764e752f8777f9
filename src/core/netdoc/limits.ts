/** Limits of directory documents. What happens at each: the document is refused with `bad-document`. */

/** Length of one line, in characters: C tor's `MAX_LINE_LENGTH`. */
export const maxLineLength = 128 * 1024
/** Length of an object between its BEGIN and END lines, in characters: C tor's `MAX_UNPARSED_OBJECT_SIZE`. */
export const maxObjectLength = 128 * 1024
/** Arguments of one line: C tor's `MAX_ARGS`. */
export const maxArguments = 512

/** Server descriptors and extra-info documents, as uploaded: C tor's `MAX_DESCRIPTOR_UPLOAD_SIZE` and `MAX_EXTRAINFO_UPLOAD_SIZE`. */
export const maxServerDescriptorLength = 20_000
export const maxExtraInfoLength = 50_000
/** One microdescriptor. Made from a server descriptor, it is never longer than that. */
export const maxMicrodescriptorLength = 20_000
/** An authority certificate alone, or at the head of a vote. */
export const maxAuthorityCertificateLength = 32_768
/** A consensus or vote, in characters. The public network's are near 3 MB. */
export const maxConsensusLength = 64 * 1024 * 1024
/** Relays listed in one consensus or vote. */
export const maxRelaysPerConsensus = 200_000
/** Authorities, and so signatures and `dir-source` lines, in one consensus. */
export const maxAuthorities = 64
/** Signatures under one consensus: two algorithms, current and legacy keys. */
export const maxConsensusSignatures = 4 * maxAuthorities
/** Flags a vote may declare: C tor keeps them in a 64-bit mask. */
export const maxKnownFlags = 64
/** Comparisons of lines between two relays that two consensuses share. Beyond, all lines between count as changed. */
export const maxDiffComparisons = 1_000_000
/** Characters of a command in a consensus diff: C tor's buffer for one. */
export const maxDiffCommandLength = 127
/** A document of detached signatures. */
export const maxDetachedSignaturesLength = 1024 * 1024
/** A bandwidth file: about 500 characters for each of the relays of a consensus. */
export const maxBandwidthFileLength = 128 * 1024 * 1024
export const maxBandwidthFileRelays = maxRelaysPerConsensus

/** How long an onion-service descriptor may ask to be kept (rend-spec-v3 §2.4): 12 hours, C tor's `HS_DESC_MAX_LIFETIME`. Its length is a consensus parameter. */
export const hsDescriptorLifetimeMinutesMax = 720

/** Protocol version lists (tor-spec §9). */
export const maxProtocolEntries = 256
export const maxProtocolNameLength = 100
export const maxProtocolRangesPerEntry = 32
export const maxProtocolVersion = 63

/** Rules in one exit policy. */
export const maxPolicyRules = 4096
/** Port ranges in one port list. */
export const maxPortRanges = 4096
