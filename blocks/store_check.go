package blocks

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// maxCheckers bounds Check's workers, each of which has a Block in memory: beyond that a disk is the limit.
const maxCheckers = 8

// Check settles every claim: hashes what is there (in parallel), copies what matches from the old target, and calls has or
// lacks once for each claimed Index, from any goroutine; has too for one that WriteBlock wrote meanwhile. Where a large file has to be compared block by block and its
// level 0 isn't known it asks fetch first (nil: nobody can be asked). An error (ctx's, or of writing a copy) leaves some claims
// unsettled. To be called once; after Place it only says what is held.
func (s *Store) Check(ctx context.Context, fetch TreeFetcher, has, lacks func(Index)) error {
	s.stages.Lock()
	defer s.stages.Unlock()
	k := &checker{
		store: s, content: s.content, fetch: fetch, has: has, lacks: lacks,
		open:  s.claims.Clone(),
		found: make(map[Root]candidate),
		bufs:  make(chan []byte, min(runtime.NumCPU(), maxCheckers)),
	}
	for range cap(k.bufs) {
		k.bufs <- nil
	}
	steps := []func(context.Context) error{k.written, k.search, k.packed, k.larges}
	if s.lock != nil && s.phase != receiving {
		steps = []func(context.Context) error{k.conclude}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return fmt.Errorf("check local content: %w", err)
		}
	}
	s.reuse.close()
	if s.lock == nil || s.phase != receiving || s.lacking() == 0 {
		return nil // Place comes next: nothing keeps it waiting that Sweep can do
	}
	if err := removeTree(ctx, s.lock.dir, oldName); err != nil {
		return fmt.Errorf("remove older partial: %w", err)
	}
	return nil
}

// conclude settles all claims by what is held.
func (k *checker) conclude(context.Context) error {
	for _, i := range k.unsettled(Span{Count: k.content.Layout().Blocks()}) {
		if k.store.holds(i) {
			k.has(i)
		} else {
			k.lacks(i)
		}
	}
	return nil
}

// checker is one Check.
type checker struct {
	store      *Store
	content    *Content
	fetch      TreeFetcher
	has, lacks func(Index)
	hashed     atomic.Uint64 // bytes
	bufs       chan []byte   // one for each worker, nil until its first use: takes part in their number

	mu sync.Mutex
	// Guarded by mu.
	open  *Bitfield          // claims that aren't settled
	found map[Root]candidate // files that were hashed and are wanted
}

// each calls do for the numbers below n, limit at a time, until one fails.
func each(ctx context.Context, n, limit int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, limit) {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// eachBlock calls do for each Block of list, with a buffer of its length, in as many workers as there are buffers.
func (k *checker) eachBlock(ctx context.Context, list []Index, do func(i Index, buf []byte) error) error {
	return each(ctx, len(list), cap(k.bufs), func(_ context.Context, at int) error {
		return k.withBuffer(func(buf []byte) error {
			return do(list[at], buf[:k.content.BlockLen(list[at])])
		})
	})
}

// withBuffer calls do with a buffer of the block size.
func (k *checker) withBuffer(do func(buf []byte) error) error {
	buf := <-k.bufs
	if buf == nil {
		buf = make([]byte, k.content.Header().BlockSize)
	}
	defer func() { k.bufs <- buf }()
	return do(buf)
}

// unsettled lists the open claims among a run of Blocks.
func (k *checker) unsettled(in Span) (list []Index) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, ok := k.open.Next(Index(in.First)); ok && uint32(i)-in.First < in.Count; i, ok = k.open.Next(i + 1) {
		list = append(list, i)
	}
	return list
}

// settle ends a claim.
func (k *checker) settle(i Index, right bool) error {
	k.mu.Lock()
	was := k.open.Clear(i)
	k.mu.Unlock()
	if !was {
		return nil
	}
	if !right {
		var err error
		if right, err = k.store.disclaim(i); err != nil {
			return err
		}
	}
	if right {
		k.has(i)
	} else {
		k.lacks(i)
	}
	return nil
}

// count reports bytes that were hashed.
func (k *checker) count(n int) {
	sum := k.hashed.Add(uint64(n))
	if k.store.cfg.Progress != nil {
		k.store.cfg.Progress(sum)
	}
}

// written checks the Blocks that lie at their place already, by the journal or because all is in place. Those that are wrong, or
// can't be judged for want of nodes, stay open if they may be found elsewhere.
func (k *checker) written(ctx context.Context) error {
	s := k.store
	var list []Index
	for i, ok := s.written.Next(0); ok; i, ok = s.written.Next(i + 1) {
		if k.judgeable(i) {
			list = append(list, i)
		}
	}
	return k.eachBlock(ctx, list, func(i Index, buf []byte) error {
		err := s.readAt(i, 0, buf)
		k.count(len(buf))
		switch {
		case err == nil && k.content.Check(i, buf):
			if err := s.hold(i); err != nil {
				return err
			}
			return k.settle(i, true)
		case s.reuse.claims.Has(i):
			return nil
		}
		return k.settle(i, false)
	})
}

// judgeable tells whether a Block can be checked without another node.
func (k *checker) judgeable(i Index) bool {
	large, block, ok := k.content.Layout().LargeOf(i)
	if !ok {
		return true
	}
	_, known := k.content.Tree(uint32(large+1)).Nodes(0, block, 1)
	return known
}

// packed assembles packed Blocks from files that were found by Root.
func (k *checker) packed(ctx context.Context) error {
	return k.eachBlock(ctx, k.unsettled(k.content.Layout().packed()), func(i Index, buf []byte) error {
		if !k.assemble(i, buf) || !k.content.Check(i, buf) {
			return k.settle(i, false)
		}
		return k.adopt(i, buf)
	})
}

// adopt writes a Block that was found elsewhere and is right.
func (k *checker) adopt(i Index, p []byte) error {
	if err := k.store.WriteBlock(i, p); err != nil {
		return err
	}
	return k.settle(i, true)
}

// assemble reads the files of a packed Block from where they were found; false if one is missing.
func (k *checker) assemble(i Index, buf []byte) bool {
	entries := k.content.Manifest().Entries
	var few [16]Slice
	for _, sl := range k.content.Layout().Slices(few[:0], i) {
		k.mu.Lock()
		c, ok := k.found[entries[sl.Entry].Root]
		k.mu.Unlock()
		if !ok {
			return false
		}
		f, err := c.open()
		if err != nil {
			return false
		}
		err = readFullAt(f, buf[:sl.Length], 0)
		f.Close()
		if err != nil {
			return false
		}
		buf = buf[sl.Length:]
	}
	return true
}
