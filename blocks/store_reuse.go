package blocks

import (
	"context"
	"os"
)

// maxFetching bounds the large files whose nodes are fetched or compared at a time: one that waits for peers holds up no other.
const maxFetching = 4

// search hashes the files that are exactly as long as a file with open claims, and remembers the wanted ones. Small ones by many
// workers; a large one at a time, since its Blocks are hashed in parallel.
func (k *checker) search(ctx context.Context) error {
	roots := k.openRoots()
	sizes := make(map[uint64]bool)
	for _, w := range roots {
		sizes[w.size] = true
	}
	sized := k.store.reuse.sized
	if k.store.lock == nil {
		sized = k.ownFiles()
	}
	var small, large []candidate
	for _, c := range sized {
		switch {
		case !sizes[c.size]:
		case c.size > uint64(k.content.Header().BlockSize):
			large = append(large, c)
		default:
			small = append(small, c)
		}
	}
	err := each(ctx, len(small), cap(k.bufs), func(_ context.Context, i int) error {
		return k.withBuffer(func(buf []byte) error {
			k.hashSmall(roots, small[i], buf)
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, c := range large {
		if err := k.hashLarge(ctx, roots, c); err != nil {
			return err
		}
	}
	return nil
}

// wantedFile is a laid-out file with an open claim.
type wantedFile struct {
	size  uint64
	large int // place in Larges; -1 if it is packed
}

// openRoots are the Roots of the files with open claims.
func (k *checker) openRoots() map[Root]wantedFile {
	l, entries := k.content.Layout(), k.content.Manifest().Entries
	roots := make(map[Root]wantedFile)
	var slices []Slice
	for _, i := range k.unsettled(Span{Count: l.Blocks()}) {
		large, _, ok := l.LargeOf(i)
		if !ok {
			large = -1
		}
		slices = l.Slices(slices[:0], i)
		for _, sl := range slices {
			e := &entries[sl.Entry]
			roots[e.Root] = wantedFile{size: e.Size, large: large}
		}
	}
	return roots
}

// ownFiles are the large files that a placed content consists of, where they have their length.
func (k *checker) ownFiles() (own []candidate) {
	for large := range k.content.Layout().Larges() {
		for _, c := range k.store.reuse.samePath[large] {
			if fi, err := c.root.Lstat(c.name); err == nil && c.own && uint64(fi.Size()) == c.size {
				own = append(own, c)
			}
		}
	}
	return own
}

// hashSmall hashes a file of at most a block. What can't be read isn't found.
func (k *checker) hashSmall(roots map[Root]wantedFile, c candidate, buf []byte) {
	f, err := c.open()
	if err != nil {
		return
	}
	defer f.Close()
	if readFullAt(f, buf[:c.size], 0) != nil {
		return
	}
	root := Sum(buf[:c.size])
	k.count(int(c.size))
	if _, ok := roots[root]; ok {
		k.remember(root, c)
	}
}

// hashLarge hashes a file with its Tree: if it is wanted, all its nodes are known by that.
func (k *checker) hashLarge(ctx context.Context, roots map[Root]wantedFile, c candidate) error {
	f, err := c.open()
	if err != nil {
		return nil
	}
	defer f.Close()
	tree, _, err := BuildTree(NewFileReader(ctx, f), c.size, k.content.Header().BlockSize, k.count)
	if err != nil {
		return ctx.Err()
	}
	w, ok := roots[tree.Root()]
	if !ok || w.large < 0 {
		return nil
	}
	if err := k.content.Tree(uint32(w.large + 1)).LoadNodes(tree.Dump()); err != nil {
		return err
	}
	k.remember(tree.Root(), c)
	g := k.content.Layout().Larges()[w.large]
	if !c.own || c.name != k.store.at.name(k.content.Manifest().Entries[g.Entry].Path) {
		return nil
	}
	for _, i := range k.unsettled(Span{First: uint32(g.First), Count: g.Blocks}) {
		if err := k.store.hold(i); err != nil {
			return err
		}
		if err := k.settle(i, true); err != nil {
			return err
		}
	}
	return nil
}

// remember keeps where the bytes of a Root were seen.
func (k *checker) remember(root Root, c candidate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.found[root]; !ok {
		k.found[root] = c
	}
}

// larges settles the large files that are still open: first those for which nobody has to be asked.
func (k *checker) larges(ctx context.Context) error {
	var local, remote []int
	for large, g := range k.content.Layout().Larges() {
		if len(k.unsettled(Span{First: uint32(g.First), Count: g.Blocks})) == 0 {
			continue
		}
		if k.content.Tree(uint32(large + 1)).Complete() {
			local = append(local, large)
		} else {
			remote = append(remote, large)
		}
	}
	for _, list := range [][]int{local, remote} {
		err := each(ctx, len(list), maxFetching, func(ctx context.Context, i int) error {
			return k.large(ctx, list[i])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// large compares a large file block by block with its candidates.
func (k *checker) large(ctx context.Context, large int) error {
	g := k.content.Layout().Larges()[large]
	list := k.unsettled(Span{First: uint32(g.First), Count: g.Blocks})
	tree := k.content.Tree(uint32(large + 1))
	if !tree.Complete() && k.fetch != nil {
		// Whatever stays unknown isn't found, and fetched.
		_ = k.fetch.FetchTree(ctx, uint32(large+1))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	var sources []source
	defer func() {
		for _, s := range sources {
			s.f.Close()
		}
	}()
	for _, c := range k.candidatesOf(large) {
		if f, err := c.open(); err == nil {
			sources = append(sources, source{c, f})
		}
	}
	return k.eachBlock(ctx, list, func(i Index, buf []byte) error {
		off := int64(i-g.First) * int64(k.content.Header().BlockSize)
		for _, s := range sources {
			if readFullAt(s.f, buf, off) != nil {
				continue
			}
			k.count(len(buf))
			if !k.content.Check(i, buf) {
				continue
			}
			if !s.own {
				return k.adopt(i, buf)
			}
			if err := k.store.hold(i); err != nil {
				return err
			}
			return k.settle(i, true)
		}
		return k.settle(i, false)
	})
}

// source is an open candidate.
type source struct {
	candidate
	f *os.File
}

// candidatesOf lists where the Blocks of a large file may be, the surest first.
func (k *checker) candidatesOf(large int) []candidate {
	e := k.content.Manifest().Entries[k.content.Layout().Larges()[large].Entry]
	k.mu.Lock()
	c, ok := k.found[e.Root]
	k.mu.Unlock()
	if ok {
		return []candidate{c}
	}
	return k.store.reuse.samePath[large]
}
