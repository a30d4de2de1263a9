package seed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"p2pcp/blocks"
)

// counting returns Options with a cache, and the number of files that were read.
func counting(dir string) (Options, *atomic.Int64) {
	var n atomic.Int64
	return Options{CacheDir: dir, midHash: func(string) { n.Add(1) }}, &n
}

func TestSecondBuildReadsNothing(t *testing.T) {
	dir, cacheDir := t.TempDir(), filepath.Join(t.TempDir(), "not", "yet")
	want := make(map[string][]byte)
	for n := range 30 {
		want[fmt.Sprint(n)] = noise(uint64(n), n*10)
	}
	want["large"] = append(noise(100, 150_000), make([]byte, 300_000)...)
	for path, b := range want {
		put(t, filepath.Join(dir, path), b)
	}
	o, read := counting(cacheDir)
	first := build(t, o, dir)
	if read.Load() != 31 {
		t.Errorf("read %d files", read.Load())
	}
	second := build(t, o, dir)
	if read.Load() != 31 {
		t.Errorf("read %d files again", read.Load()-31)
	}
	if first.Content().ID() != second.Content().ID() {
		t.Error("another ID")
	}
	sameFiles(t, fetch(t, second), want)

	put(t, filepath.Join(dir, "large"), noise(101, 150_000))
	put(t, filepath.Join(dir, "5"), noise(102, 50))
	want["large"], want["5"] = noise(101, 150_000), noise(102, 50)
	third := build(t, o, dir)
	if read.Load() != 33 {
		t.Errorf("read %d files for 2 changes", read.Load()-31)
	}
	sameFiles(t, fetch(t, third), want)

	err := filepath.Walk(cacheDir, func(path string, st os.FileInfo, err error) error {
		if mode := st.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s: mode %v", path, mode)
		}
		return err
	})
	must(t, err)
}

func TestRacyFilesAreNotRemembered(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, c := range map[string]struct {
		mtime time.Time
		want  int64 // files read by two builds
	}{
		"older":  {now.Add(-racyMargin - time.Millisecond), 2},
		"fresh":  {now.Add(-racyMargin + time.Millisecond), 4},
		"future": {now.Add(time.Hour), 4},
	} {
		sub := filepath.Join(dir, name)
		for _, size := range []int{100, 100_000} {
			path := put(t, filepath.Join(sub, fmt.Sprint(size)), noise(1, size))
			must(t, os.Chtimes(path, c.mtime, c.mtime))
		}
		o, read := counting(filepath.Join(dir, "cache"))
		o.now = func() time.Time { return now }
		build(t, o, sub)
		build(t, o, sub)
		if read.Load() != c.want {
			t.Errorf("%s: read %d files, want %d", name, read.Load(), c.want)
		}
	}
}

// Whatever byte of the cache is wrong, the content is right. (Four Blocks: in other numbers a node without a sibling is in the dump
// several times, and damage to the spare ones is healed.)
func TestDamagedCacheLosesOnlyTime(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	put(t, filepath.Join(dir, "small"), noise(1, 1000))
	put(t, filepath.Join(dir, "large"), append(noise(2, 130_000), make([]byte, 132_000)...))
	o, read := counting(cacheDir)
	want := build(t, o, dir).Content().ID()
	names, err := os.ReadDir(cacheDir)
	must(t, err)
	if len(names) != 2 {
		t.Fatalf("cache holds %v", names)
	}
	for _, name := range names {
		path := filepath.Join(cacheDir, name.Name())
		good, err := os.ReadFile(path)
		must(t, err)
		damages := map[string][]byte{"empty": nil, "cut": good[:len(good)-1], "half": good[:len(good)/2], "text": []byte("hello\n")}
		for at := 0; at < len(good); at += 7 {
			bad := append([]byte(nil), good...)
			bad[at] ^= 0x10
			damages[fmt.Sprint("byte ", at)] = bad
		}
		for how, bad := range damages {
			must(t, os.WriteFile(path, bad, 0o600))
			before := read.Load()
			if got := build(t, o, dir).Content().ID(); got != want {
				t.Errorf("%s %s: another ID", name.Name(), how)
			}
			// The day of last use is all that can change unnoticed, and it can't: the checksum covers it.
			if read.Load() != before+1 {
				t.Errorf("%s %s: %d files read", name.Name(), how, read.Load()-before)
			}
		}
	}
}

func TestCacheOfOthersIsNotUsed(t *testing.T) {
	dir, file := t.TempDir(), put(t, filepath.Join(t.TempDir(), "f"), noise(1, 10))
	must(t, os.Chmod(dir, 0o777))
	for _, cacheDir := range []string{dir, file, filepath.Join(file, "below")} {
		var warned []string
		o, read := counting(cacheDir)
		o.Warn = func(path, why string) { warned = append(warned, path+": "+why) }
		build(t, o, file)
		build(t, o, file)
		if read.Load() != 2 || len(warned) != 2 || !strings.Contains(warned[0], "no cache") {
			t.Errorf("%s: read %d files, warned %q", cacheDir, read.Load(), warned)
		}
	}
}

func TestOldTreesMakeRoom(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	c, err := openCache(dir, func() time.Time { return now })
	must(t, err)
	for n := range 4 {
		path := filepath.Join(dir, fmt.Sprint(n, treeSuffix))
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Truncate(path, maxTrees/3))
		used := now.Add(-time.Duration(n) * time.Hour)
		must(t, os.Chtimes(path, used, used))
	}
	for name, age := range map[string]time.Duration{".p2pcp-tmp-1": 2 * staleTemp, ".p2pcp-tmp-2": time.Minute, "other": 2 * staleTemp} {
		path := put(t, filepath.Join(dir, name), nil)
		must(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	must(t, c.save())
	var left []string
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != ".p2pcp-tmp-2 0.tree 1.tree 2.tree other" {
		t.Errorf("left: %s", got)
	}
}

func TestRootsAreBoundedByLastUse(t *testing.T) {
	const most = 1000
	path := filepath.Join(t.TempDir(), "roots")
	f := newRootFile(path)
	f.max = most
	for n := range most {
		f.fresh = append(f.fresh, newRecord(stamp{dev: 1, ino: uint64(n)}.append(nil), blocks.Root{1}, 100+uint32(n%2)))
	}
	must(t, f.save())
	f = newRootFile(path)
	f.max = most
	for n := range 10 {
		f.put(stamp{dev: 2, ino: uint64(n)}, blocks.Root{2}, 102)
	}
	if _, ok := f.get(stamp{dev: 1, ino: 0}, 102); !ok {
		t.Error("a used record is missing")
	}
	must(t, f.save())
	st, err := os.Stat(path)
	must(t, err)
	if st.Size() != int64(len(rootsMagic)+most*recordSize) {
		t.Errorf("%d bytes", st.Size())
	}
	f = newRootFile(path)
	missing := 0
	for n := range most {
		_, ok := f.get(stamp{dev: 1, ino: uint64(n)}, 103)
		if !ok {
			missing++
			if n%2 != 0 || n == 0 {
				t.Fatalf("record %d of a later day is gone", n)
			}
		}
	}
	for n := range 10 {
		if r, ok := f.get(stamp{dev: 2, ino: uint64(n)}, 103); !ok || r != (blocks.Root{2}) {
			t.Errorf("new record %d: %v %t", n, r, ok)
		}
	}
	if missing != 10 {
		t.Errorf("%d records gone for 10 new ones", missing)
	}
}

func TestNewStampReplacesOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roots")
	for size := range int64(5) {
		f := newRootFile(path)
		f.put(stamp{dev: 1, ino: 7, size: size}, blocks.Root{byte(size)}, 1)
		f.put(stamp{dev: 1, ino: 7, size: size}, blocks.Root{byte(size)}, 1) // a hard link
		must(t, f.save())
	}
	st, err := os.Stat(path)
	must(t, err)
	if st.Size() != int64(len(rootsMagic)+recordSize) {
		t.Errorf("%d bytes", st.Size())
	}
}

// treeOf builds the Tree of some bytes and its dump.
func treeOf(t testing.TB, s stamp, blockSize uint32) (large, []byte) {
	t.Helper()
	b := append(noise(1, int(blockSize)), make([]byte, s.size-int64(blockSize))...)
	tree, zeros, err := blocks.BuildTree(strings.NewReader(string(b)), uint64(s.size), blockSize, nil)
	must(t, err)
	l := large{tree: tree, zeros: zeros}
	return l, treeFile(t, s, blockSize, l)
}

func treeFile(t testing.TB, s stamp, blockSize uint32, l large) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, writeTree(&b, s, blockSize, l))
	return b.Bytes()
}

// FuzzCache: neither file is believed further than its checksums go.
func FuzzCache(f *testing.F) {
	s := stamp{dev: 1, ino: 2, size: 4 * blocks.MinBlockSize, mtime: 4, ctime: 5}
	want, dump := treeOf(f, s, blocks.MinBlockSize)
	f.Add(dump)
	f.Add(append([]byte(rootsMagic), newRecord(s.append(nil), want.tree.Root(), 9)...))
	f.Add(binary.BigEndian.AppendUint32(dump[:treeHeadSize-4:treeHeadSize-4], 1<<31))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, ok := readTree(bytes.NewReader(b), int64(len(b)), s, blocks.MinBlockSize); ok {
			if l.tree.Root() != want.tree.Root() || !bytes.Equal(treeFile(t, s, blocks.MinBlockSize, l), b) {
				t.Fatalf("another tree: %v %v", l.tree.Root(), l.zeros)
			}
		}
		r := newRootFile("")
		r.load.Do(func() { r.use(b) })
		if root, ok := r.get(s, 9); ok && root != want.tree.Root() {
			t.Fatalf("another root: %v", root)
		}
		r.path = filepath.Join(t.TempDir(), "roots")
		r.put(stamp{ino: 3}, blocks.Root{7}, 9)
		if err := r.save(); err != nil {
			t.Fatal(err)
		}
		again := newRootFile(r.path)
		if root, ok := again.get(stamp{ino: 3}, 9); !ok || root != (blocks.Root{7}) {
			t.Fatal("what was saved beside garbage is lost")
		}
	})
}
