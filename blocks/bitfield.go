package blocks

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// Span is a run of Blocks: [First, First+Count).
type Span struct{ First, Count uint32 }

// Bitfield is a set of Index below Len. Not safe for concurrent use.
type Bitfield struct {
	n     uint32
	count uint32    // members; always the number of bits set in words
	words []uint64  // bit i of words[w] is Index 64*w+i; bits at and above n are 0
	few   [4]uint64 // where words lies if that is enough: one line of the processor's cache has all
}

var errBitfield = errors.New("parse bitfield: wrong length or padding")

// NewBitfield returns an empty set of n possible Blocks.
func NewBitfield(n uint32) *Bitfield {
	f := &Bitfield{n: n}
	if k := int((uint64(n) + 63) / 64); k <= len(f.few) {
		f.words = f.few[:k]
	} else {
		f.words = make([]uint64, k)
	}
	return f
}

// ParseBitfield reads n bits, most significant first; padding must be 0. b must have exactly the length (n+7)/8.
func ParseBitfield(n uint32, b []byte) (*Bitfield, error) {
	if uint64(len(b)) != (uint64(n)+7)/8 {
		return nil, errBitfield
	}
	if r := n % 8; r != 0 && b[len(b)-1]<<r != 0 {
		return nil, errBitfield
	}
	f := NewBitfield(n)
	for i := range f.words {
		var le [8]byte
		copy(le[:], b[8*i:])
		f.words[i] = flipBytes(binary.LittleEndian.Uint64(le[:]))
		f.count += uint32(bits.OnesCount64(f.words[i]))
	}
	return f, nil
}

// flipBytes reverses the bits inside each byte: between the wire's order and the words'.
func flipBytes(w uint64) uint64 { return bits.ReverseBytes64(bits.Reverse64(w)) }

// Append appends the wire form, (Len+7)/8 bytes, to b.
func (f *Bitfield) Append(b []byte) []byte {
	end := len(b) + int((uint64(f.n)+7)/8)
	b = slices.Grow(b, 8*len(f.words))
	for _, w := range f.words {
		b = binary.LittleEndian.AppendUint64(b, flipBytes(w))
	}
	return b[:end]
}

// Len is the number of possible Blocks.
func (f *Bitfield) Len() uint32 { return f.n }

// Count is the number of members, in constant time.
func (f *Bitfield) Count() uint32 { return f.count }

// Has tells whether i is a member; false outside the range.
func (f *Bitfield) Has(i Index) bool {
	return uint32(i) < f.n && f.words[i/64]&(1<<(i%64)) != 0
}

// Set makes i a member: true if it was not one, false outside the range.
func (f *Bitfield) Set(i Index) bool {
	if uint32(i) >= f.n || f.Has(i) {
		return false
	}
	f.words[i/64] |= 1 << (i % 64)
	f.count++
	return true
}

// Clear removes i: true if it was a member.
func (f *Bitfield) Clear(i Index) bool {
	if !f.Has(i) {
		return false
	}
	f.words[i/64] &^= 1 << (i % 64)
	f.count--
	return true
}

// SetSpan makes all of s members; s is clipped to the range.
func (f *Bitfield) SetSpan(s Span) {
	f.each(s, func(w *uint64, mask uint64) {
		f.count += uint32(bits.OnesCount64(mask &^ *w))
		*w |= mask
	})
}

// ClearSpan removes all of s; s is clipped to the range.
func (f *Bitfield) ClearSpan(s Span) {
	f.each(s, func(w *uint64, mask uint64) {
		f.count -= uint32(bits.OnesCount64(mask & *w))
		*w &^= mask
	})
}

// AnyIn tells whether any Index of s is a member. A Proof asks this of up to half the space, hence no closure a word.
func (f *Bitfield) AnyIn(s Span) bool {
	first := uint64(s.First)
	end := min(first+uint64(s.Count), uint64(f.n))
	if first >= end {
		return false
	}
	low, high := ^uint64(0)<<(first%64), ^uint64(0)>>((64-end%64)%64)
	a, z := first/64, (end-1)/64
	if a == z {
		return f.words[a]&low&high != 0
	}
	if f.words[a]&low != 0 || f.words[z]&high != 0 {
		return true
	}
	for _, w := range f.words[a+1 : z] {
		if w != 0 {
			return true
		}
	}
	return false
}

// CountIn is the number of members in s.
func (f *Bitfield) CountIn(s Span) uint32 {
	n := 0
	f.each(s, func(w *uint64, mask uint64) {
		n += bits.OnesCount64(*w & mask)
	})
	return uint32(n)
}

// each calls do with every word that s, clipped to the range, touches, and the bits of it that are in s.
func (f *Bitfield) each(s Span, do func(w *uint64, mask uint64)) {
	first := uint64(s.First)
	end := min(first+uint64(s.Count), uint64(f.n))
	for first < end {
		w, low := first/64, first%64
		mask := ^uint64(0) << low
		if next := (w + 1) * 64; next > end {
			mask &= ^uint64(0) >> (next - end)
		}
		do(&f.words[w], mask)
		first = (w + 1) * 64
	}
}

// Clone returns a copy that shares nothing with f.
func (f *Bitfield) Clone() *Bitfield {
	g := NewBitfield(f.n)
	g.count = f.count
	copy(g.words, f.words)
	return g
}

// Equal tells whether f and g have one Len and the same members.
func (f *Bitfield) Equal(g *Bitfield) bool {
	return f.n == g.n && f.count == g.count && slices.Equal(f.words, g.words)
}

// Spans returns the members as maximal runs, increasing.
func (f *Bitfield) Spans() []Span {
	var spans []Span
	for i, ok := f.Next(0); ok; {
		end := f.nextAbsent(i)
		spans = append(spans, Span{First: uint32(i), Count: uint32(end - i)})
		i, ok = f.Next(end)
	}
	return spans
}

// Next returns the lowest member at or above i.
func (f *Bitfield) Next(i Index) (Index, bool) {
	mask := ^uint64(0) << (i % 64)
	for w := int(i / 64); w < len(f.words); w++ {
		if x := f.words[w] & mask; x != 0 {
			return Index(64*w + bits.TrailingZeros64(x)), true
		}
		mask = ^uint64(0)
	}
	return 0, false
}

// nextAbsent returns the lowest Index at or above i that isn't a member; Len if all are.
func (f *Bitfield) nextAbsent(i Index) Index {
	mask := ^uint64(0) << (i % 64)
	for w := int(i / 64); w < len(f.words); w++ {
		if x := ^f.words[w] & mask; x != 0 {
			return Index(min(uint64(64*w+bits.TrailingZeros64(x)), uint64(f.n)))
		}
		mask = ^uint64(0)
	}
	return Index(f.n)
}

// Words gives the backing words (bit i of word w is Index 64*w+i) for fast set arithmetic; read only.
func (f *Bitfield) Words() []uint64 { return f.words }
