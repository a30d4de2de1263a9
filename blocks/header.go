package blocks

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// HeaderSize is the length of a Header on the wire, in bytes.
const HeaderSize = 64

// Limits of what one Header may name.
const (
	MaxEntries  = 1 << 24
	MaxManifest = 1 << 32 // bytes
	MaxBytes    = 1 << 56 // sum of all file Entries, bytes
)

// Sizes that a seed chooses between. The wire accepts MinBlockSize to MaxBlockSize.
const (
	minChosenBlockSize = 64 << 10
	maxChosenBlockSize = 1 << 20
	mostChosenBlocks   = 2896 // 2048*√2: 2048 Blocks are aimed at, enough that the ramp vanishes (30*log2 N), few enough to announce
)

const (
	headerVersion = 1
	headerDir     = 1 << 0 // the only flag
)

// Header names everything that is sent. ID = BLAKE3(its 64 bytes).
type Header struct {
	BlockSize    uint32 // bytes, a power of two in [MinBlockSize, MaxBlockSize]
	Dir          bool   // the target is a directory
	Entries      uint32 // 1..MaxEntries
	Blocks       uint32 // the whole Index space, the Manifest's and zero Blocks included; 1..MaxBlocks
	ManifestSize uint64 // bytes, 1..MaxManifest
	Bytes        uint64 // sum of the sizes of all file Entries, at most MaxBytes
	ManifestRoot Root
}

// Append appends the 64 bytes of the wire form:
//
//	offset size field
//	     0    1 version, 1
//	     1    1 log2 of the block size
//	     2    2 flags: bit 0, the target is a directory
//	     4    4 number of Entries
//	     8    4 number of Blocks
//	    12    4 reserved, 0
//	    16    8 size of the Manifest, bytes
//	    24    8 bytes of content
//	    32   32 the Manifest's Root
//
// A block size that is no power of two is written as 0, which no reader accepts.
func (h Header) Append(b []byte) []byte {
	var log uint8
	if bits.OnesCount32(h.BlockSize) == 1 {
		log = uint8(bits.TrailingZeros32(h.BlockSize))
	}
	var flags uint16
	if h.Dir {
		flags = headerDir
	}
	b = append(b, headerVersion, log)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, h.Entries)
	b = binary.BigEndian.AppendUint32(b, h.Blocks)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, h.ManifestSize)
	b = binary.BigEndian.AppendUint64(b, h.Bytes)
	return append(b, h.ManifestRoot[:]...)
}

// ParseHeader reads exactly HeaderSize bytes. Errors wrap ErrManifest.
func ParseHeader(b []byte) (Header, error) {
	if len(b) != HeaderSize {
		return Header{}, refuseHeader("%d bytes, not %d", len(b), HeaderSize)
	}
	if b[0] != headerVersion {
		return Header{}, refuseHeader("version %d, known is %d", b[0], headerVersion)
	}
	log, flags := b[1], binary.BigEndian.Uint16(b[2:])
	if log >= 32 || !validBlockSize(1<<log) {
		return Header{}, refuseHeader("block size of 2^%d bytes", log)
	}
	if flags&^headerDir != 0 {
		return Header{}, refuseHeader("unknown flags %#x", flags)
	}
	if r := binary.BigEndian.Uint32(b[12:]); r != 0 {
		return Header{}, refuseHeader("reserved field holds %#x", r)
	}
	h := Header{
		BlockSize:    1 << log,
		Dir:          flags&headerDir != 0,
		Entries:      binary.BigEndian.Uint32(b[4:]),
		Blocks:       binary.BigEndian.Uint32(b[8:]),
		ManifestSize: binary.BigEndian.Uint64(b[16:]),
		Bytes:        binary.BigEndian.Uint64(b[24:]),
		ManifestRoot: Root(b[32:]),
	}
	if err := h.checkCounts(); err != nil {
		return Header{}, err
	}
	return h, nil
}

// checkCounts tells whether the counts are inside their limits and leave room for the Manifest's own Blocks.
func (h Header) checkCounts() error {
	switch {
	case h.Entries < 1 || h.Entries > MaxEntries:
		return refuseHeader("%d entries", h.Entries)
	case h.Blocks < 1 || h.Blocks > MaxBlocks:
		return refuseHeader("%d blocks", h.Blocks)
	case h.ManifestSize < 1 || h.ManifestSize > MaxManifest:
		return refuseHeader("manifest of %d bytes", h.ManifestSize)
	case h.Bytes > MaxBytes:
		return refuseHeader("content of %d bytes", h.Bytes)
	case h.ManifestBlocks() > h.Blocks:
		return refuseHeader("manifest of %d blocks among %d", h.ManifestBlocks(), h.Blocks)
	}
	return nil
}

// ID is the swarm's name: the Root of the Header's bytes.
func (h Header) ID() Root { return Sum(h.Append(make([]byte, 0, HeaderSize))) }

// ManifestBlocks is the number of Blocks that the Manifest takes: ceil(ManifestSize/BlockSize).
func (h Header) ManifestBlocks() uint32 {
	if h.BlockSize == 0 || h.ManifestSize == 0 {
		return 0
	}
	return uint32((h.ManifestSize-1)/uint64(h.BlockSize) + 1)
}

// ManifestLen is the length in bytes of Manifest Block i (0 if i is not one).
func (h Header) ManifestLen(i Index) uint32 {
	if uint32(i) >= h.ManifestBlocks() {
		return 0
	}
	return uint32(min(uint64(h.BlockSize), h.ManifestSize-uint64(i)*uint64(h.BlockSize)))
}

// ChooseBlockSize is the power of two nearest to bytes/2048 (as a ratio) within [64 KiB, 1 MiB].
func ChooseBlockSize(bytes uint64) uint32 {
	size := uint64(minChosenBlockSize)
	for size < maxChosenBlockSize && size*mostChosenBlocks < bytes {
		size *= 2
	}
	return uint32(size)
}

func validBlockSize(n uint32) bool {
	return n >= MinBlockSize && n <= MaxBlockSize && bits.OnesCount32(n) == 1
}

func refuseHeader(format string, args ...any) error {
	return fmt.Errorf("%w: header: %s", ErrManifest, fmt.Sprintf(format, args...))
}
