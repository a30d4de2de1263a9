package cmd

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// placedStore is content that was taken as equal by size and time. What turns out to differ is named and not announced.
type placedStore struct {
	*blocks.Store
	app     *app
	content *blocks.Content
	target  string
}

// Check hashes what is in place.
func (p placedStore) Check(ctx context.Context, fetch blocks.TreeFetcher, has, lacks func(blocks.Index)) error {
	var mu sync.Mutex
	named := map[int]bool{}
	return p.Store.Check(ctx, fetch, has, func(i blocks.Index) {
		lacks(i)
		for _, entry := range p.differing(i) {
			mu.Lock()
			again := named[entry]
			named[entry] = true
			mu.Unlock()
			if !again {
				p.app.warn("%s has the right size and time and another content; 'get --checksum --force' mends it", quoteName(p.path(entry)))
			}
		}
	})
}

// differing are the Entries of a Block that isn't what it should be: the large file's, or those of packed ones whose hash differs.
func (p placedStore) differing(i blocks.Index) []int {
	slices := p.content.Layout().Slices(nil, i)
	var out []int
	for _, s := range slices {
		if len(slices) == 1 || !p.right(s.Entry) {
			out = append(out, s.Entry)
		}
	}
	return out
}

// right hashes a small file.
func (p placedStore) right(entry int) bool {
	e := &p.content.Manifest().Entries[entry]
	f, err := os.OpenFile(p.path(entry), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(e.Size)+1))
	return err == nil && blocks.Sum(b) == e.Root
}

func (p placedStore) path(entry int) string {
	return filepath.Join(p.target, filepath.FromSlash(p.content.Manifest().Entries[entry].Path))
}
