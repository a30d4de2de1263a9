package seed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"p2pcp/blocks"
)

// Source is the read-only view of the originals, as they were when Build returned. Safe for concurrent use.
type Source struct {
	content *blocks.Content
	entries []blocks.Entry // the Manifest's, read only
	layout  *blocks.Layout
	from    origins
	stamps  []stamp // per Entry
	files   *openFiles

	mu sync.Mutex
	// Guarded by mu.
	changed map[int]bool // Entries that are no longer what was hashed, in part at least
}

func newSource(c *blocks.Content, from origins, stamps []stamp) *Source {
	return &Source{
		content: c,
		entries: c.Manifest().Entries,
		layout:  c.Layout(),
		from:    from,
		stamps:  stamps,
		files:   newOpenFiles(),
		changed: make(map[int]bool),
	}
}

// Content is the sealed Content.
func (s *Source) Content() *blocks.Content { return s.content }

// ReadBlock fills p with a Block's bytes from offset on. A file that is no longer what was hashed, by its size, time or inode before
// or after the read, is Changed from then on, even if it is put back: what is read of it has to match the hash, all of the Block
// each time. *ChangedError where it doesn't. ErrUnreadable for other trouble with a file; any error if the range isn't inside
// Block i.
func (s *Source) ReadBlock(i blocks.Index, offset uint32, p []byte) error {
	var few [8]blocks.Slice
	parts := s.layout.Slices(few[:0], i)
	if len(parts) == 0 {
		return s.content.ReadManifest(i, offset, p)
	}
	size := s.layout.Len(i)
	if uint64(offset)+uint64(len(p)) > uint64(size) {
		return fmt.Errorf("read block %d: [%d, +%d) is not inside its %d bytes", i, offset, len(p), size)
	}
	err := s.readParts(parts, offset, p, s.readFile)
	if !errors.Is(err, ErrChanged) {
		return err
	}
	whole := make([]byte, size)
	if err := s.readParts(parts, 0, whole, s.readSuspect); err != nil {
		return err
	}
	if !s.content.Check(i, whole) {
		return s.blame(parts, whole)
	}
	copy(p, whole[offset:])
	return nil
}

// readParts fills p with the bytes of parts from offset on, by way of read.
func (s *Source) readParts(parts []blocks.Slice, offset uint32, p []byte, read func(entry int, offset uint64, p []byte) error) error {
	for _, part := range parts {
		if len(p) == 0 {
			break
		}
		if offset >= part.Length {
			offset -= part.Length
			continue
		}
		n := min(int(part.Length-offset), len(p))
		if err := read(part.Entry, part.Offset+uint64(offset), p[:n]); err != nil {
			return err
		}
		p, offset = p[n:], 0
	}
	return nil
}

// readFile fills p from one file that is as it was hashed.
func (s *Source) readFile(entry int, offset uint64, p []byte) (err error) {
	path := s.path(entry)
	if s.isChanged(entry) {
		return &ChangedError{Path: path}
	}
	want := s.stamps[entry]
	f, fresh, err := s.files.acquire(entry, func() (*os.File, error) { return openStamped(path, want) })
	if err != nil {
		return s.note(entry, err)
	}
	defer func() { s.files.release(f, err != nil) }()
	if !fresh {
		// A file that was kept open outlives its removal. What was put in its place is what counts, so that the answer doesn't
		// depend on which files happen to be open.
		if got, err := statPath(path); err != nil || !got.same(want) {
			return s.note(entry, &ChangedError{Path: path})
		}
	}
	if _, err := f.ReadAt(p, int64(offset)); err != nil {
		if errors.Is(err, io.EOF) {
			return s.note(entry, &ChangedError{Path: path})
		}
		return unreadable(path, cause(err))
	}
	got, err := statFile(f.File)
	if err != nil {
		return unreadable(path, err)
	}
	if !got.same(want) {
		return s.note(entry, &ChangedError{Path: path})
	}
	return nil
}

// readSuspect fills p from whatever lies under a file's path by now. What comes must match the hash.
func (s *Source) readSuspect(entry int, offset uint64, p []byte) error {
	path := s.path(entry)
	f, err := openPlain(path)
	if err != nil {
		return s.note(entry, err)
	}
	defer f.Close()
	if _, err := f.ReadAt(p, int64(offset)); errors.Is(err, io.EOF) {
		return s.note(entry, &ChangedError{Path: path})
	} else if err != nil {
		return unreadable(path, cause(err))
	}
	return nil
}

// note remembers a changed file, and returns the error.
func (s *Source) note(entry int, err error) error {
	if errors.Is(err, ErrChanged) {
		s.mu.Lock()
		s.changed[entry] = true
		s.mu.Unlock()
	}
	return err
}

func (s *Source) isChanged(entry int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed[entry]
}

func (s *Source) path(entry int) string { return s.from.path(s.entries[entry].Path) }

// Recheck reads Block i again and hashes it, after somebody said that it is wrong. Nil if it is right; *ChangedError if a file
// changed without a new stamp (that file is noted as Changed), or as ReadBlock.
func (s *Source) Recheck(i blocks.Index) error {
	p := make([]byte, s.content.BlockLen(i))
	if err := s.ReadBlock(i, 0, p); err != nil {
		return err
	}
	if s.content.Check(i, p) {
		return nil
	}
	parts := s.layout.Slices(nil, i)
	if len(parts) == 0 {
		return fmt.Errorf("recheck block %d: the manifest in memory is damaged", i)
	}
	return s.blame(parts, p)
}

// blame notes the files whose part of a wrong Block p is wrong, and names the first.
func (s *Source) blame(parts []blocks.Slice, p []byte) error {
	var wrong []error
	for _, part := range parts {
		bytes := p[:part.Length]
		p = p[part.Length:]
		if e := s.entries[part.Entry]; len(parts) == 1 || blocks.Sum(bytes) != e.Root {
			wrong = append(wrong, s.note(part.Entry, &ChangedError{Path: s.path(part.Entry)}))
		}
	}
	return wrong[0]
}

// Changed lists the originals that are no longer what was hashed, as far as they were read since; sorted.
func (s *Source) Changed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for entry := range s.changed {
		out = append(out, s.path(entry))
	}
	slices.Sort(out)
	return out
}

// Path names the original of Block i, or the first of several; "" for a Block of the Manifest. For messages.
func (s *Source) Path(i blocks.Index) string {
	parts := s.layout.Slices(nil, i)
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return s.path(parts[0].Entry)
	}
	return fmt.Sprintf("%s (and %d more)", s.path(parts[0].Entry), len(parts)-1)
}

// Close closes the files that are kept open. Reads under way end by themselves, later ones are errors.
func (s *Source) Close() error {
	s.files.close()
	return nil
}
