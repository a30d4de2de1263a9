// Package blocks is the content model: what is sent, how it is cut, how a slice
// of it is proven, and where verified Blocks lie on a disk.
//
// The nouns are those of docs/ARCHITECTURE.md: Root, Entry, Manifest, Header,
// Block, Index, chunk, Tree, Proof, Layout, Bitfield, Store. The formats are
// those of docs/PROTOCOL.md sections 1 and 7.
package blocks
