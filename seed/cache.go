package seed

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// Limits of the cache, so that it stays below 256 MiB.
const (
	maxRootsFile = 32 << 20  // bytes of the file of Roots, read whole when small files are seeded: about 400,000 of them
	maxTrees     = 192 << 20 // bytes of all kept Trees: about 3 TB of large files

	// racyMargin is how much older than its hashing a file's modification has to be. A later change within the file system's
	// tick of time leaves no trace (git's racy-clean rule); FAT ticks in 2 s.
	racyMargin = 2 * time.Second
	// staleTemp is when a temporary file's writer is surely gone.
	staleTemp = 24 * time.Hour
)

const (
	rootsName  = "roots"
	treeSuffix = ".tree"
)

// cache remembers Roots and Trees by stamp, in a directory of the user's own:
//
//	roots        the Roots of files up to a Block, one sorted file
//	HEX.tree     Root, zero ranges and nodes of one large file at one block size, named by the hash of stamp and block size
//
// Files are replaced whole, so that several processes can share it; the last one's roots win. Whatever is malformed counts as
// absent. A nil cache remembers nothing. Safe for concurrent use but for save.
type cache struct {
	dir   string
	now   func() time.Time
	roots *rootFile
}

// openCache makes sure of the directory. An error says why there is no cache; seeding goes on without.
func openCache(dir string, now func() time.Time) (*cache, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("no cache: %w", cause(err))
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil, fmt.Errorf("no cache: %w", err)
	}
	// Who can write here can make a seed announce what it doesn't have.
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return nil, errors.New("no cache: it is not a directory that only this user can write to")
	}
	c := &cache{dir: dir, now: now}
	c.roots = newRootFile(filepath.Join(dir, rootsName))
	return c, nil
}

// racy tells whether a file that was hashed from began on could have changed later without a new stamp.
func racy(s stamp, began time.Time) bool {
	return s.mtime > began.Add(-racyMargin).UnixNano()
}

// root returns a small file's Root.
func (c *cache) root(s stamp) (blocks.Root, bool) {
	if c == nil {
		return blocks.Root{}, false
	}
	return c.roots.get(s, day(c.now()))
}

// putRoot remembers a small file's Root, hashed from began on.
func (c *cache) putRoot(s stamp, r blocks.Root, began time.Time) {
	if c != nil && !racy(s, began) {
		c.roots.put(s, r, day(c.now()))
	}
}

// tree returns what is known of a large file: its complete Tree and zero Blocks.
func (c *cache) tree(s stamp, blockSize uint32) (large, bool) {
	if c == nil {
		return large{}, false
	}
	path := c.treePath(s, blockSize)
	f, err := os.Open(path)
	if err != nil {
		return large{}, false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return large{}, false
	}
	l, ok := readTree(f, st.Size(), s, blockSize)
	if ok {
		now := c.now()
		os.Chtimes(path, now, now) // prune drops what was not used for the longest time
	}
	return l, ok
}

// putTree remembers a large file, hashed from began on. That it can't be written is no error: it is hashed again then.
func (c *cache) putTree(s stamp, blockSize uint32, l large, began time.Time) {
	if c == nil || racy(s, began) || l.tree.DumpSize() > maxTrees/2 {
		return
	}
	_ = writeAtomic(c.treePath(s, blockSize), func(w io.Writer) error {
		return writeTree(w, s, blockSize, l)
	})
}

func (c *cache) treePath(s stamp, blockSize uint32) string {
	sum := blocks.Sum(appendTreeKey(nil, s, blockSize))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:16])+treeSuffix)
}

// save writes what is new and drops what is oldest.
func (c *cache) save() error {
	if c == nil {
		return nil
	}
	if err := errors.Join(c.roots.save(), c.prune()); err != nil {
		return fmt.Errorf("the cache is incomplete: %w", err)
	}
	return nil
}

// prune removes the Trees used longest ago until the rest fits, and what a killed process left.
func (c *cache) prune() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var trees []fs.FileInfo
	total := int64(0)
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			continue // removed by another process
		}
		switch {
		case strings.HasSuffix(e.Name(), treeSuffix):
			trees = append(trees, st)
			total += st.Size()
		case strings.HasPrefix(e.Name(), strings.TrimSuffix(tempPattern, "*")) && c.now().Sub(st.ModTime()) > staleTemp:
			os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
	slices.SortFunc(trees, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, st := range trees {
		if total <= maxTrees {
			break
		}
		if err := os.Remove(filepath.Join(c.dir, st.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= st.Size()
	}
	return nil
}

// day is the unit of "last used" in the file of Roots.
func day(t time.Time) uint32 { return uint32(t.Unix() / (24 * 60 * 60)) }
