package blocks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// decodeManifest reads the form of a Manifest: fields, limits and canonical numbers, with nothing left over. The rules
// that tie Entries to each other are Check's. What it allocates is in proportion to len(b), whatever b claims.
func decodeManifest(b []byte) (*Manifest, error) {
	// All names are parts of this one string: a million Entries are then two allocations and not a million.
	d := &manifestDecoder{rest: string(b)}
	if d.take(len(manifestMagic)) != manifestMagic {
		return nil, refuseManifest("it doesn't begin with %q", manifestMagic)
	}
	m := &Manifest{Name: d.text(1, maxName)}
	if d.err != nil {
		return nil, refuseManifest("name: %v", d.err)
	}
	n := d.count(MaxEntries, minEntrySize)
	if d.err != nil {
		return nil, refuseManifest("number of entries: %v", d.err)
	}
	m.Entries = make([]Entry, n)
	for i := range m.Entries {
		e := &m.Entries[i]
		if d.entry(e); d.err != nil {
			return nil, refuse(e.Path, "entry %d: %v", i, d.err)
		}
	}
	if len(d.rest) != 0 {
		return nil, refuseManifest("%d bytes left over", len(d.rest))
	}
	return m, nil
}

// Faults of form.
var (
	errCutShort    = errors.New("cut short")
	errNotShortest = errors.New("number not in its shortest form")
)

// manifestDecoder takes fields off the front of rest. After the first fault every method returns a zero value.
type manifestDecoder struct {
	rest string
	err  error
}

func (d *manifestDecoder) entry(e *Entry) {
	kind := Kind(d.byte())
	e.Path = d.text(0, maxPath)
	if d.err == nil && (kind < File || kind > Symlink) {
		d.err = fmt.Errorf("unknown %v", kind)
	}
	e.Kind = kind
	if s := d.take(2 + 8); s != "" {
		e.Mode = uint16(s[0])<<8 | uint16(s[1])
		e.ModTime = int64(binary.BigEndian.Uint64([]byte(s[2:])))
	}
	switch kind {
	case File:
		e.Size = d.uvarint(MaxBytes)
		copy(e.Root[:], d.take(len(e.Root)))
		e.Zeros = d.zeros()
	case Symlink:
		e.Link = d.text(1, maxLink)
	}
}

// zeros reads zero ranges. Whether they are apart and inside their file is Check's to say.
func (d *manifestDecoder) zeros() []Span {
	n := d.count(maxZeroRanges, 2)
	if n == 0 {
		return nil
	}
	spans := make([]Span, n)
	end := uint64(0)
	for i := range spans {
		first := end + d.uvarint(MaxBlocks)
		count := 1 + d.uvarint(MaxBlocks)
		end = first + count
		if end > MaxBlocks && d.err == nil {
			d.err = fmt.Errorf("zero range up to block %d", end)
		}
		if d.err != nil {
			return nil
		}
		spans[i] = Span{First: uint32(first), Count: uint32(count)}
	}
	return spans
}

// count reads a number of things of which each takes at least size bytes.
func (d *manifestDecoder) count(limit uint64, size int) int {
	n := d.uvarint(limit)
	if n > uint64(len(d.rest)/size) {
		d.fail(errCutShort)
		return 0
	}
	return int(n)
}

// text reads a length in [lo, hi] and that many bytes.
func (d *manifestDecoder) text(lo, hi int) string {
	n := int(d.uvarint(uint64(hi)))
	if d.err == nil && n < lo {
		d.fail(errors.New("empty"))
	}
	return d.take(n)
}

// uvarint reads LEB128 in its shortest form, at most limit.
func (d *manifestDecoder) uvarint(limit uint64) uint64 {
	n := uint64(0)
	for shift := 0; ; shift += 7 {
		c := d.byte()
		switch {
		case d.err != nil:
			return 0
		case c == 0 && shift > 0:
			d.fail(errNotShortest)
			return 0
		case shift == 63 && c > 1: // more than 64 bits
			d.fail(strconv.ErrRange)
			return 0
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if n > limit {
		d.fail(fmt.Errorf("%d is more than %d", n, limit))
		return 0
	}
	return n
}

func (d *manifestDecoder) byte() byte {
	if d.err != nil || len(d.rest) == 0 {
		d.fail(errCutShort)
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

// take returns the next n bytes, or "" after a fault.
func (d *manifestDecoder) take(n int) string {
	if d.err != nil || len(d.rest) < n {
		d.fail(errCutShort)
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

// fail keeps the first fault.
func (d *manifestDecoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}
