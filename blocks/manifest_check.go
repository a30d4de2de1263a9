package blocks

import (
	"slices"
	"strconv"
	"strings"
)

// emptyRoot is the Root of no bytes. Nothing of an empty file is ever fetched, so no Block could show that its Root is wrong.
var emptyRoot = Root{
	0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49,
	0x9b, 0xcb, 0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
}

// Check validates order, names, parents, links, limits, zero ranges and equal files for a block size (PROTOCOL 1.2, 1.3);
// ParseManifest and the seed call it. Errors wrap ErrManifest and name the path.
func (m *Manifest) Check(blockSize uint32, dir bool) error {
	if !validBlockSize(blockSize) {
		return refuseManifest("block size of %d bytes", blockSize)
	}
	if err := CheckName(m.Name); err != nil {
		return refuse(m.Name, "name of the whole: %v", err)
	}
	if err := m.checkTarget(dir); err != nil {
		return err
	}
	var open openDirs
	total := uint64(0)
	for i := range m.Entries {
		e := &m.Entries[i]
		if i > 0 {
			if err := checkPlace(m.Entries[i-1].Path, e.Path, &open); err != nil {
				return err
			}
		}
		if err := e.check(blockSize); err != nil {
			return err
		}
		switch e.Kind {
		case Dir:
			open = append(open, e.Path)
		case File:
			if e.Size > MaxBytes-total {
				return refuse(e.Path, "content of more than 2^56 bytes")
			}
			total += e.Size
		}
	}
	return checkEqualFiles(m.Entries)
}

// checkTarget checks the first Entry, the target itself, and the number of Entries.
func (m *Manifest) checkTarget(dir bool) error {
	if n := len(m.Entries); n < 1 || n > MaxEntries {
		return refuseManifest("%d entries", n)
	}
	first := &m.Entries[0]
	switch {
	case first.Path != "":
		return refuse(first.Path, "the first entry must be the target itself")
	case dir && first.Kind != Dir:
		return refuse("", "the target is a %v, the header says directory", first.Kind)
	case !dir && first.Kind != File:
		return refuse("", "the target is a %v, the header says file", first.Kind)
	case !dir && len(m.Entries) > 1:
		return refuse(m.Entries[1].Path, "an entry beside the only file")
	}
	return nil
}

// checkPlace checks a path's names, its order after the one before, and its parent.
func checkPlace(before, path string, open *openDirs) error {
	if err := checkPath(path); err != nil {
		return refuse(path, "%v", err)
	}
	switch c := ComparePaths(before, path); {
	case c == 0:
		return refuse(path, "named twice")
	case c > 0:
		return refuse(path, "out of order after %s", strconv.Quote(before))
	}
	if !open.holdsParent(path) {
		return refuse(path, "its parent is no directory of the manifest")
	}
	return nil
}

// openDirs is the chain of directories around the last Entry, the target ("") first; each is longer than the one before.
//
// In manifest order a directory's content follows it without a gap. So a parent that exists is still in the chain when its
// child comes, and a directory that doesn't hold the next path never holds a later one.
type openDirs []string

// holdsParent closes directories that end before path, and tells whether its parent is open.
func (o *openDirs) holdsParent(path string) bool {
	parent := path[:max(strings.LastIndexByte(path, '/'), 0)]
	for n := len(*o); n > 0; n-- {
		if d := (*o)[n-1]; len(d) <= len(parent) {
			return d == parent // all others are shorter still
		}
		*o = (*o)[:n-1]
	}
	return false
}

// check validates what one Entry says for itself.
func (e *Entry) check(blockSize uint32) error {
	if e.Mode > maxMode {
		return refuse(e.Path, "mode %#o", e.Mode)
	}
	switch e.Kind {
	case Dir:
		return nil
	case File:
		return e.checkFile(blockSize)
	case Symlink:
		if err := CheckLink(e.Path, e.Link); err != nil {
			return refuse(e.Path, "%v", err)
		}
		return nil
	}
	return refuse(e.Path, "unknown %v", e.Kind)
}

func (e *Entry) checkFile(blockSize uint32) error {
	n := blocksOf(e.Size, blockSize)
	switch {
	case n > MaxBlocks:
		return refuse(e.Path, "file of %d blocks, at most %d", n, MaxBlocks)
	case (e.Size == 0) != (e.Root == emptyRoot):
		return refuse(e.Path, "size %d contradicts its root", e.Size)
	case len(e.Zeros) > maxZeroRanges:
		return refuse(e.Path, "%d zero ranges, at most %d", len(e.Zeros), maxZeroRanges)
	case len(e.Zeros) > 0 && n <= 1:
		return refuse(e.Path, "zero ranges in a file of at most one block")
	}
	end := uint64(0)
	for i, z := range e.Zeros {
		first := uint64(z.First)
		if z.Count == 0 || i > 0 && first <= end {
			return refuse(e.Path, "zero range %d is empty or touches the one before", i)
		}
		if end = first + uint64(z.Count); end > n {
			return refuse(e.Path, "zero range up to block %d of %d", end, n)
		}
	}
	return nil
}

// checkEqualFiles refuses Entries that have one Root but differ in what follows from it.
func checkEqualFiles(entries []Entry) error {
	for i, o := range originals(entries) {
		if o < 0 || int(o) == i {
			continue
		}
		e, first := &entries[i], &entries[o]
		if e.Size != first.Size {
			return refuse(e.Path, "equal to %s but of another size", strconv.Quote(first.Path))
		}
		if !slices.Equal(e.Zeros, first.Zeros) {
			return refuse(e.Path, "equal to %s but with other zero ranges", strconv.Quote(first.Path))
		}
	}
	return nil
}

// blocksOf is the number of blocks of a file, 0 for an empty one.
func blocksOf(size uint64, blockSize uint32) uint64 {
	if size == 0 {
		return 0
	}
	return (size-1)/uint64(blockSize) + 1
}
