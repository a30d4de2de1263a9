package blocks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Errors of reading and writing Blocks.
var (
	errNotStored = errors.New("block is not held")
	errBadSlice  = errors.New("no such slice of a block")
	errLength    = errors.New("file has another length")
	errPhase     = errors.New("store takes no blocks any more")
)

// ReadBlock reads bytes [offset, offset+len(p)) of a held Block, before and after Place. What it reads was right when it was
// written or checked; whoever passes it on may find by Content.Check that the disk has changed it since, and then Forgets it.
func (s *Store) ReadBlock(i Index, offset uint32, p []byte) error {
	if !s.holds(i) {
		return fmt.Errorf("read block %d: %w", i, errNotStored)
	}
	if uint32(i) < s.manifestSpan().Count {
		return s.content.ReadManifest(i, offset, p)
	}
	if err := s.readAt(i, offset, p); err != nil {
		return fmt.Errorf("read block %d: %w", i, err)
	}
	return nil
}

// holds tells whether Block i is held.
func (s *Store) holds(i Index) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have.Has(i)
}

// readAt reads a slice of a Block of content, held or not.
func (s *Store) readAt(i Index, offset uint32, p []byte) error {
	s.io.RLock()
	defer s.io.RUnlock()
	if s.phase == closed {
		return fs.ErrClosed
	}
	if n := s.content.BlockLen(i); offset > n || len(p) > int(n-offset) {
		return fmt.Errorf("%d bytes at %d of %d: %w", len(p), offset, n, errBadSlice)
	}
	var few [16]Slice
	for _, sl := range s.content.Layout().Slices(few[:0], i) {
		if offset >= sl.Length {
			offset -= sl.Length
			continue
		}
		n := min(len(p), int(sl.Length-offset))
		if err := s.readFile(sl.Entry, p[:n], int64(sl.Offset)+int64(offset)); err != nil {
			return err
		}
		p, offset = p[n:], 0
		if len(p) == 0 {
			break
		}
	}
	return nil
}

// readFile fills p from a laid-out file. A small one must have its length: it is verified whole, and nothing may follow. The
// caller holds io.
func (s *Store) readFile(entry int, p []byte, off int64) error {
	e := &s.content.Manifest().Entries[entry]
	name := s.at.name(e.Path)
	if e.Size > uint64(s.content.Header().BlockSize) {
		return s.files.use(name, func(f *os.File) error { return readFullAt(f, p, off) })
	}
	read := func(f *os.File) error {
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		if uint64(fi.Size()) != e.Size {
			return fmt.Errorf("%q: %d bytes, not %d: %w", name, fi.Size(), e.Size, errLength)
		}
		return readFullAt(f, p, off)
	}
	if s.single {
		return s.files.use(name, read)
	}
	f, _, err := openRegular(s.at.root, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(f)
}

// readFullAt fills p or fails.
func readFullAt(f *os.File, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF:
		return &fs.PathError{Op: "read", Path: f.Name(), Err: io.ErrUnexpectedEOF}
	}
	return err
}

// WriteBlock writes a whole verified Block, its nodes and its bit. After an error, which names the path, the Block isn't held.
// A Block that is held already is written again only if the disk no longer has it.
func (s *Store) WriteBlock(i Index, p []byte) error {
	if !s.wanted.Has(i) || len(p) != int(s.content.BlockLen(i)) {
		return fmt.Errorf("write block %d, %d bytes: %w", i, len(p), errBadSlice)
	}
	if err := s.writeOnce(i, p); err != nil {
		return err
	}
	s.io.RLock()
	defer s.io.RUnlock()
	if s.phase == receiving {
		s.files.flush()
	}
	return nil
}

// writeOnce writes a Block's files, nodes and bit, unless another writer has.
func (s *Store) writeOnce(i Index, p []byte) error {
	one := &s.writing[int(i)%len(s.writing)]
	one.Lock()
	defer one.Unlock()
	if s.holds(i) && s.isOnDisk(i, p) {
		return nil
	}
	s.io.RLock()
	defer s.io.RUnlock()
	if s.phase != receiving {
		return fmt.Errorf("write block %d: %w", i, errPhase)
	}
	var few [16]Slice
	for _, sl := range s.content.Layout().Slices(few[:0], i) {
		if err := s.writeFile(sl, p[:sl.Length]); err != nil {
			return fmt.Errorf("write block %d: %w", i, err)
		}
		p = p[sl.Length:]
	}
	return s.hold(i)
}

// isOnDisk tells whether a held Block reads as p. It comes a second time when somebody found that it doesn't; then, too, it has to
// be right before Place.
func (s *Store) isOnDisk(i Index, p []byte) bool {
	buf := make([]byte, len(p))
	return s.readAt(i, 0, buf) == nil && bytes.Equal(buf, p)
}

// hold records a Block that is verified at its place on the disk.
func (s *Store) hold(i Index) error {
	if s.journal != nil {
		if err := s.journal.add(i); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have.Set(i)
	return nil
}

// Forget takes a Block back whose bytes on the disk turned out not to be right any more. Of the Manifest's, which are in
// memory, none is forgotten.
func (s *Store) Forget(i Index) error {
	if uint32(i) < s.manifestSpan().Count {
		return nil
	}
	s.io.RLock()
	defer s.io.RUnlock()
	s.mu.Lock()
	s.have.Clear(i)
	s.mu.Unlock()
	if s.journal == nil || s.phase != receiving {
		return nil
	}
	return s.journal.setBit(i, false)
}

// disclaim takes a claim out of the journal, unless the Block came from elsewhere meanwhile and is held.
func (s *Store) disclaim(i Index) (held bool, err error) {
	one := &s.writing[int(i)%len(s.writing)]
	one.Lock()
	defer one.Unlock()
	if held = s.holds(i); held || s.journal == nil {
		return held, nil
	}
	return false, s.journal.setBit(i, false)
}

// writeFile writes a slice of a laid-out file. The caller holds io.
func (s *Store) writeFile(sl Slice, p []byte) error {
	e := &s.content.Manifest().Entries[sl.Entry]
	name := s.at.name(e.Path)
	if e.Size > uint64(s.content.Header().BlockSize) {
		return s.files.writeAt(name, p, int64(sl.Offset))
	}
	return writeSmall(s.at.root, name, p)
}

// writeSmall writes a whole file: a new one, or over one that an earlier run left.
func writeSmall(root *os.Root, name string, p []byte) (err error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	left := errors.Is(err, fs.ErrExist)
	if left {
		f, err = openOwn(root, name, os.O_WRONLY)
		if errors.Is(err, errNotRegular) {
			f, err = createNew(root, name)
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if _, err = f.WriteAt(p, 0); err == nil && left {
		err = f.Truncate(int64(len(p)))
	}
	return err
}
