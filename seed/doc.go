// Package seed is the source side of a swarm: it walks what is to be sent, hashes it (with a cache, so that the second time
// is instant), and keeps the read-only view that Blocks are served from. Beside it lie the small things that only who starts a
// swarm has: Ticket, ticket file, key file, and the Ledger of results.
//
// Nouns: Source is the view of the originals, fixed when Build returns; a stamp is what fstat says of a file (device, inode, size,
// times), by which Build, the cache and Source tell whether a file is still what was hashed; a row of the Ledger is the latest
// result of one (host, target).
//
// Invariants: nothing here writes to what is seeded or follows a symlink inside it; a Block is read only from files whose stamp is
// the one that was hashed, before and after the read, or is hashed anew; the cache may lose everything at any time and can't make a Root wrong
// unless the clock or a file's change time were set back.
//
// Goroutines: Build starts its hashers and waits for them. Nothing else here starts any.
//
// Memory: Build holds Workers buffers of one block size for small files and what blocks.BuildTree takes for at most two large
// ones, plus about 400 bytes a path; a Source holds at most 128 open files, plus those being read.
package seed
