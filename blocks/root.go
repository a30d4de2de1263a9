package blocks

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// Root is a BLAKE3 root: the name of content. A file's Root is what b3sum prints.
type Root [32]byte

// CV is a BLAKE3 chaining value: the name of an inner node, serialised little-endian as BLAKE3 does.
type CV [32]byte

// Index is a Block's number in the one space of a Header.
type Index uint32

// Sizes, in bytes unless said otherwise.
const (
	ChunkSize    = 1 << 10  // BLAKE3's leaf
	GroupSize    = 16 << 10 // what is hashed at once: 16 chunks fill the widest vectors
	MinBlockSize = 16 << 10
	MaxBlockSize = 4 << 20
	MaxBlocks    = 1 << 24 // Blocks
	MaxProof     = 64      // CVs
	MaxNodes     = 2048    // CVs in an answer to TREE
)

// String returns the Root in 64 hex digits.
func (r Root) String() string { return hex.EncodeToString(r[:]) }

// Short returns the first 8 hex digits.
func (r Root) Short() string { return hex.EncodeToString(r[:4]) }

// ParseRoot reads 64 hex digits of either case.
func ParseRoot(s string) (Root, error) {
	var r Root
	if len(s) != hex.EncodedLen(len(r)) {
		return Root{}, fmt.Errorf("parse root: %d characters instead of %d", len(s), hex.EncodedLen(len(r)))
	}
	if _, err := hex.Decode(r[:], []byte(s)); err != nil {
		return Root{}, fmt.Errorf("parse root: %w", err)
	}
	return r, nil
}

// Sum returns the Root of p. It comes from another implementation of BLAKE3 than Tree's, so that each checks the other.
func Sum(p []byte) Root { return blake3.Sum256(p) }
