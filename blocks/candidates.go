package blocks

import (
	"context"
	"io/fs"
	"os"
)

// candidate is a file on this disk that may hold wanted bytes. It is only read.
type candidate struct {
	root *os.Root
	name string // below root
	size uint64 // when it was found, bytes
	own  bool   // it is the content's own file: what is right in it needs no copy
}

// open opens a candidate; an error means that it isn't one any more.
func (c candidate) open() (*os.File, error) {
	f, fi, err := openRegular(c.root, c.name, os.O_RDONLY)
	if err == nil && uint64(fi.Size()) != c.size {
		f.Close()
		return nil, errNotRegular
	}
	return f, err
}

// candidates is where a Store looks for what it needn't fetch. Written before Check begins and by Check's first step.
type candidates struct {
	roots    []*os.Root
	sized    []candidate         // files exactly as long as a wanted one, in the order in which they were found
	sizes    map[uint64]bool     // of sized
	samePath map[int][]candidate // by place in Larges: files of any length at the large file's path
	claims   *Bitfield           // what they may hold
}

func (c *candidates) close() {
	for _, r := range c.roots {
		r.Close()
	}
	c.roots = nil
}

// findCandidates looks through the old target and the older partial.
func (s *Store) findCandidates(ctx context.Context) error {
	f := finder{store: s, sizes: make(map[uint64]bool), larges: make(map[string]int)}
	l, entries := s.content.Layout(), s.content.Manifest().Entries
	for e := range entries {
		if l.Original(e) == e {
			f.sizes[entries[e].Size] = true
		}
	}
	for k, g := range l.Larges() {
		f.larges[entries[g.Entry].Path] = k
	}
	s.reuse.sizes = make(map[uint64]bool)
	s.reuse.samePath = make(map[int][]candidate)
	if err := f.look(ctx, s.lock.parent, s.lock.name); err != nil {
		return err
	}
	return f.look(ctx, s.lock.dir, oldName)
}

// finder looks for candidates.
type finder struct {
	store  *Store
	sizes  map[uint64]bool // that are wanted
	larges map[string]int  // path of a large file -> its place in Larges
}

// look takes what is useful of the file or tree called name. What can't be read is no candidate.
func (f *finder) look(ctx context.Context, parent *os.Root, name string) error {
	fi, err := parent.Lstat(name)
	if err != nil {
		return nil
	}
	if !fi.IsDir() {
		f.add(parent, name, "", fi)
		return nil
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil
	}
	f.store.reuse.roots = append(f.store.reuse.roots, root)
	_ = walkTree(ctx, root, ".", func(at string, fi fs.FileInfo) error {
		f.add(root, at, at, fi)
		return nil
	})
	return ctx.Err() // others may change the tree meanwhile; what can't be read is fetched
}

// add takes a regular file of a wanted length, or at the path of a large file; at is its path in the target.
func (f *finder) add(root *os.Root, name, at string, fi fs.FileInfo) {
	size := uint64(fi.Size())
	if !fi.Mode().IsRegular() || size == 0 {
		return
	}
	c, r := candidate{root: root, name: name, size: size}, &f.store.reuse
	if f.sizes[size] {
		r.sized = append(r.sized, c)
		r.sizes[size] = true
	}
	if k, ok := f.larges[at]; ok {
		r.samePath[k] = append(r.samePath[k], c)
	}
}

// claim works out what the journal and the candidates may give.
func (s *Store) claim() {
	l, entries := s.content.Layout(), s.content.Manifest().Entries
	r := &s.reuse
	if r.samePath == nil {
		r.samePath, r.sizes = make(map[int][]candidate), make(map[uint64]bool)
	}
	r.claims = NewBitfield(s.wanted.Len())
	blockSize := uint64(s.content.Header().BlockSize)
	for k, g := range l.Larges() {
		size := entries[g.Entry].Size
		if r.sizes[size] {
			r.claims.SetSpan(Span{First: uint32(g.First), Count: g.Blocks})
		}
		for _, c := range r.samePath[k] {
			whole := min(c.size, size) / blockSize
			if c.size >= size {
				whole = uint64(g.Blocks)
			}
			r.claims.SetSpan(Span{First: uint32(g.First), Count: uint32(whole)})
		}
		for _, z := range entries[g.Entry].Zeros {
			r.claims.ClearSpan(Span{First: uint32(g.First) + z.First, Count: z.Count})
		}
		// Blocks that are claimed but have lost their nodes are checked like those of another file.
		if s.written.AnyIn(Span{First: uint32(g.First), Count: g.Blocks}) && !s.content.Tree(uint32(k+1)).Complete() {
			own := candidate{root: s.at.root, name: s.at.name(entries[g.Entry].Path), size: size, own: true}
			r.samePath[k] = append([]candidate{own}, r.samePath[k]...)
		}
	}
	s.claimPacked()
	s.claims = s.written.Clone()
	for _, sp := range r.claims.Spans() {
		s.claims.SetSpan(sp)
	}
}

// claimPacked claims the packed Blocks for all of whose files there is a candidate.
func (s *Store) claimPacked() {
	l, entries := s.content.Layout(), s.content.Manifest().Entries
	var slices []Slice
	for n := range l.packed().Count {
		i := Index(l.packed().First + n)
		slices = l.Slices(slices[:0], i)
		all := true
		for _, sl := range slices {
			all = all && s.reuse.sizes[entries[sl.Entry].Size]
		}
		if all {
			s.reuse.claims.Set(i)
		}
	}
}

// packed is the run of the packed Blocks.
func (l *Layout) packed() Span { return Span{First: l.firstPacked, Count: uint32(len(l.packs))} }
