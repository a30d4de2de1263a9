package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// diskUnit is what file systems round a file's space up to, in bytes.
const diskUnit = 4096

// checkSpace compares what is still to be written with what the file system has. Where it isn't enough but would be without an
// older partial, that is given up: reuse is a convenience.
func (s *Store) checkSpace(ctx context.Context) error {
	need := s.need()
	free, err := freeSpace(s.lock.handle)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err == nil && need > free && need-free <= s.spaceOfOld(ctx) {
		if err = removeTree(ctx, s.lock.dir, oldName); err == nil {
			free, err = freeSpace(s.lock.handle)
		}
	}
	if err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	if need > free {
		return fmt.Errorf("%w: %d bytes needed, %d free", ErrNoSpace, need, free)
	}
	return nil
}

// spaceOfOld is what the older partial takes on the disk, in bytes.
func (s *Store) spaceOfOld(ctx context.Context) (n uint64) {
	fi, err := s.lock.dir.Lstat(oldName)
	if err != nil {
		return 0
	}
	if !fi.IsDir() {
		return allocated(fi)
	}
	_ = walkTree(ctx, s.lock.dir, oldName, func(_ string, fi fs.FileInfo) error {
		n += allocated(fi)
		return nil
	}) // what can't be seen isn't counted
	return n
}

// need is the space that content and journal still have to take, in bytes: zero ranges and what is allocated already excepted,
// local copies of equal files included.
func (s *Store) need() uint64 {
	need := s.stillNeeded(journalName, uint64(s.journal.size()))
	_, err := s.lock.dir.Lstat(contentName)
	fresh := err != nil
	entries := s.content.Manifest().Entries
	for e := range entries {
		size := filled(&entries[e], s.content.Header().BlockSize)
		if !fresh && size > 0 {
			size = s.stillNeeded(path.Join(contentName, entries[e].Path), size)
		}
		need += (size + diskUnit - 1) / diskUnit * diskUnit
	}
	return need
}

// stillNeeded is size less what a file in the partial directory has of it. What can't be seen has nothing.
func (s *Store) stillNeeded(name string, size uint64) uint64 {
	fi, err := s.lock.dir.Lstat(name)
	if err != nil || !fi.Mode().IsRegular() {
		return size
	}
	return size - min(size, allocated(fi))
}

// filled is the number of bytes of a file outside its zero ranges.
func filled(e *Entry, blockSize uint32) uint64 {
	if e.Kind != File {
		return 0
	}
	n := uint64(0)
	eachFilled(e, blockSize, func(_, length int64) error {
		n += uint64(length)
		return nil
	})
	return n
}

// eachFilled calls do for each range of a file between its zero ranges, in bytes, until it returns an error.
func eachFilled(e *Entry, blockSize uint32, do func(off, n int64) error) error {
	at := uint64(0)
	for _, z := range e.Zeros {
		begin, end := zeroBytes(e, z, blockSize)
		if begin > at {
			if err := do(int64(at), int64(begin-at)); err != nil {
				return err
			}
		}
		at = end
	}
	if at < e.Size {
		return do(int64(at), int64(e.Size-at))
	}
	return nil
}

// zeroBytes is a zero range in bytes.
func zeroBytes(e *Entry, z Span, blockSize uint32) (begin, end uint64) {
	begin = uint64(z.First) * uint64(blockSize)
	return begin, min(e.Size, begin+uint64(z.Count)*uint64(blockSize))
}
