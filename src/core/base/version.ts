/** Which program this is, and whose behaviour it has on the wire. A test holds the first to package.json. */

/** Version of this program. */
export const programVersion = '0.1.0'

/** The release of C tor that this program is compatible with: what peers and authorities judge it by. */
export const torVersion = '0.4.9.11'

/** `0.4.9.11 (relish-0.1.0)`: C tor's form of a version with a note, which its users' parsers take. */
export const versionText = `${torVersion} (relish-${programVersion})`
