package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"p2pcp/blocks"
)

const (
	// maxLargeAtATime: BuildTree hashes one file on all cores; a second hides the first one's beginning and end.
	maxLargeAtATime = 2
	// maxZeroRanges in one Entry (PROTOCOL 1.2); zeros beyond them are sent as any other bytes.
	maxZeroRanges = 1 << 20
)

// hasher finds the Root of every file of a walk.
type hasher struct {
	found     []found // in manifest order
	from      origins
	cache     *cache
	opts      Options
	blockSize uint32 // bytes
	total     uint64 // bytes of all files

	done  atomic.Uint64 // bytes
	roots []blocks.Root // per found; each written by the one goroutine that hashes it

	mu     sync.Mutex
	larges map[int]large // guarded by mu until run returns
}

// large is what is known of a file longer than a Block.
type large struct {
	tree  *blocks.Tree
	zeros []blocks.Span
}

func newHasher(w *walk, from origins, c *cache, o Options) *hasher {
	return &hasher{
		found:     w.found,
		from:      from,
		cache:     c,
		opts:      o,
		blockSize: cmp.Or(o.BlockSize, blockSizeFor(w.bytes, len(w.found))),
		total:     w.bytes,
		roots:     make([]blocks.Root, len(w.found)),
		larges:    make(map[int]large),
	}
}

// run hashes everything: the large files one after another, the small ones beside them.
func (h *hasher) run(ctx context.Context) error {
	var small, big []int
	for i := range h.found {
		switch f := &h.found[i]; {
		case f.kind != blocks.File:
		case f.size > int64(h.blockSize):
			big = append(big, i)
		default:
			small = append(small, i)
		}
	}
	h.progress(0)
	g, ctx := errgroup.WithContext(ctx)
	share(g, big, maxLargeAtATime, func() func(i int) error {
		return func(i int) error { return h.large(ctx, i) }
	})
	share(g, small, h.opts.Workers, func() func(i int) error {
		// One more than a Block, to see a file that has grown.
		buf := make([]byte, min(int(h.blockSize), h.longest(small))+1)
		return func(i int) error { return h.small(ctx, i, buf) }
	})
	return g.Wait()
}

// share has up to workers goroutines take turns in list. worker makes what one of them does.
func share(g *errgroup.Group, list []int, workers int, worker func() func(i int) error) {
	var next atomic.Int64
	for range min(workers, len(list)) {
		g.Go(func() error {
			work := worker()
			for {
				at := next.Add(1) - 1
				if at >= int64(len(list)) {
					return nil
				}
				if err := work(list[at]); err != nil {
					return err
				}
			}
		})
	}
}

// longest is the size in bytes of the longest file of a list.
func (h *hasher) longest(list []int) int {
	most := int64(0)
	for _, i := range list {
		most = max(most, h.found[i].size)
	}
	return int(most)
}

func (h *hasher) progress(n int) {
	done := h.done.Add(uint64(n))
	if h.opts.Progress != nil {
		h.opts.Progress(done, h.total)
	}
}

// small hashes a file of at most one Block. buf is longer than any of them.
func (h *hasher) small(ctx context.Context, i int, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f := &h.found[i]
	root, ok := h.cache.root(f.stamp)
	if !ok {
		began := h.opts.now()
		err := h.read(i, func(file *os.File) error {
			n, err := io.ReadFull(file, buf)
			switch {
			case err == nil:
				return blocks.ErrTooLong
			case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
				return err
			case int64(n) != f.size:
				return io.ErrUnexpectedEOF
			}
			root = blocks.Sum(buf[:n])
			return nil
		})
		if err != nil {
			return err
		}
		h.cache.putRoot(f.stamp, root, began)
	}
	h.roots[i] = root
	h.progress(int(f.size))
	return nil
}

// large hashes a file longer than a Block.
func (h *hasher) large(ctx context.Context, i int) error {
	f := &h.found[i]
	l, ok := h.cache.tree(f.stamp, h.blockSize)
	if ok {
		h.progress(int(f.size))
	} else {
		began := h.opts.now()
		err := h.read(i, func(file *os.File) (err error) {
			l.tree, l.zeros, err = blocks.BuildTree(blocks.NewFileReader(ctx, file), uint64(f.size), h.blockSize, h.progress)
			return err
		})
		if err != nil {
			return err
		}
		l.zeros = l.zeros[:min(len(l.zeros), maxZeroRanges)]
		h.cache.putTree(f.stamp, h.blockSize, l, began)
	}
	h.roots[i] = l.tree.Root()
	h.mu.Lock()
	h.larges[i] = l
	h.mu.Unlock()
	return nil
}

// read gives a file to use, and makes sure that it is the one that was walked, and that it stayed as it was meanwhile.
func (h *hasher) read(i int, use func(f *os.File) error) error {
	want, path := h.found[i].stamp, h.from.path(h.found[i].rel)
	f, err := openStamped(path, want)
	if err != nil {
		return err
	}
	defer f.Close()
	if h.opts.midHash != nil {
		h.opts.midHash(path)
	}
	err = use(f)
	var asked *os.PathError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, blocks.ErrTooLong):
		return &ChangedError{Path: path}
	case errors.As(err, &asked):
		return unreadable(path, asked.Err)
	case errors.Is(err, blocks.ErrTooLarge):
		return fmt.Errorf("%q %w: it is larger than %d blocks", path, ErrRefused, blocks.MaxBlocks)
	case err != nil:
		return err
	}
	got, err := statFile(f)
	if err != nil {
		return unreadable(path, err)
	}
	if !got.same(want) {
		return &ChangedError{Path: path}
	}
	return nil
}
