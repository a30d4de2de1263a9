// Package blocks is the content model: what is sent, how it is cut, how a slice
// of it is proven, and where verified Blocks lie on a disk. It knows no network.
//
// The nouns are those of docs/ARCHITECTURE.md: Root, Entry, Manifest, Header,
// Block, Index, chunk, Tree, Proof, Layout, Bitfield, Store. The formats are
// those of docs/PROTOCOL.md sections 1 and 7.
//
// Invariants: a Tree holds verified nodes only; what a Header or Manifest claims
// is compared with its limits before anything is allocated for it; a Store
// writes in its target's directory alone, through os.Root and past no link
// of a stranger's, and puts nothing under its final name that isn't verified.
// A journal is never trusted: what it claims is hashed again.
//
// Goroutines: BuildTree, and Check and Place of a Store, start workers and wait
// for them. Nothing else here starts any.
package blocks
