package seed

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"p2pcp/blocks"
)

// Options of Build. The zero value is usable.
type Options struct {
	Name     string                   // of the target; "": the base name of a single path, "files" for several
	Exclude  []string                 // globs, as path.Match, against each relative path and each base name; an excluded directory isn't entered
	CacheDir string                   // where hashes are remembered, made if it is missing; "": no cache
	Warn     func(path, why string)   // skipped devices, sockets, fifos; a cache that isn't used; from Build's goroutine
	Progress func(done, total uint64) // bytes hashed or found in the cache; from any goroutine, also concurrently
	Workers  int                      // small files hashed at a time; 0: one for each core

	BlockSize uint32 // in bytes, one that a Header may have; 0: chosen by how much there is

	// For tests.
	now     func() time.Time  // the clock of the cache: time.Now
	midHash func(path string) // called when a file was opened and before it is read
}

// Build walks and hashes paths and returns what is to be seeded. One file or directory is sent as it is, several paths go
// into one directory; a symlink among paths means what it points to, symlinks below are kept as links. What can't be read or
// would be refused by receivers is an error (ErrMissing, ErrUnreadable, ErrRefused) before anything is hashed. A file that changes
// while it is hashed is a *ChangedError. Other errors: ErrSameName, ErrEmpty, ErrPattern, ctx's.
func Build(ctx context.Context, paths []string, o Options) (*Source, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.NumCPU()
	}
	if o.now == nil {
		o.now = time.Now
	}
	w, err := newWalk(o)
	if err != nil {
		return nil, err
	}
	from, err := newOrigins(paths, o.Name)
	if err != nil {
		return nil, err
	}
	if err := from.walk(ctx, w); err != nil {
		return nil, err
	}
	c, why := openCache(o.CacheDir, o.now)
	if why != nil {
		w.warn(o.CacheDir, why.Error())
	}
	h := newHasher(w, from, c, o)
	err = h.run(ctx)
	// What was hashed before an interruption needn't be hashed again.
	if why := c.save(); why != nil {
		w.warn(o.CacheDir, why.Error())
	}
	if err != nil {
		return nil, err
	}
	return h.seal()
}

// blockSizeFor is the size of Blocks for so many bytes: the usual choice, or more where a Header couldn't count them. Packed
// and last Blocks may be half empty.
func blockSizeFor(bytes uint64, files int) uint32 {
	size := blocks.ChooseBlockSize(bytes)
	for size < blocks.MaxBlockSize && 2*(bytes/uint64(size))+uint64(files) > blocks.MaxBlocks {
		size *= 2
	}
	return size
}

// seal makes the Source of what was hashed.
func (h *hasher) seal() (*Source, error) {
	m := &blocks.Manifest{Name: h.from.name, Entries: make([]blocks.Entry, len(h.found))}
	stamps := make([]stamp, len(h.found))
	for i := range h.found {
		f := &h.found[i]
		stamps[i] = f.stamp
		e := blocks.Entry{Kind: f.kind, Path: f.rel, Mode: f.mode, ModTime: f.mtime}
		switch f.kind {
		case blocks.File:
			e.Size, e.Root, e.Zeros = uint64(f.size), h.roots[i], h.larges[i].zeros
		case blocks.Symlink:
			e.Link = f.link
		}
		m.Entries[i] = e
	}
	content, err := h.content(m)
	if err != nil {
		return nil, fmt.Errorf("seal the content: %w", err)
	}
	return newSource(content, h.from, stamps), nil
}

// content makes Header, Layout and Trees fit m.
func (h *hasher) content(m *blocks.Manifest) (*blocks.Content, error) {
	dir := m.Entries[0].Kind == blocks.Dir
	if err := m.Check(h.blockSize, dir); err != nil {
		return nil, err
	}
	b := m.Append(nil)
	head := blocks.Header{
		BlockSize:    h.blockSize,
		Dir:          dir,
		Entries:      uint32(len(m.Entries)),
		ManifestSize: uint64(len(b)),
		Bytes:        h.total,
		ManifestRoot: blocks.Sum(b),
	}
	layout, err := blocks.NewLayout(m, h.blockSize, head.ManifestBlocks())
	if err != nil {
		return nil, err
	}
	head.Blocks = layout.Blocks()
	trees := make([]*blocks.Tree, 0, len(layout.Larges()))
	for _, l := range layout.Larges() {
		trees = append(trees, h.larges[l.Entry].tree)
	}
	return blocks.SealContent(head, m, b, trees)
}
