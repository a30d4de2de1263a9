package seed

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// changes are ways in which an original can change while it is seeded. Two of them leave what was hashed intact.
func changes() map[string]func(path string) error {
	return map[string]func(path string) error{
		"append": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("more")
			return errors.Join(err, f.Close())
		},
		"truncate": func(path string) error { return os.Truncate(path, 10) },
		"rewrite": func(path string) error {
			st, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, make([]byte, st.Size()), 0o644))
		},
		"touch": func(path string) error { return os.Chtimes(path, time.Now(), time.Now()) },
		"replace": func(path string) error {
			st, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path+"~", make([]byte, st.Size()), 0o644),
				os.Chtimes(path+"~", st.ModTime(), st.ModTime()), os.Rename(path+"~", path))
		},
		"delete":  os.Remove,
		"symlink": func(path string) error { return errors.Join(os.Rename(path, path+"~"), os.Symlink(path+"~", path)) },
		"pipe":    func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) },
		"parent":  func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+"~") },
	}
}

func TestChangedOriginalIsRefusedAndNamed(t *testing.T) {
	intactAfter := map[string]bool{"append": true, "touch": true}
	for how, change := range changes() {
		for _, size := range []int{1000, 200_000} {
			for _, warm := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/warm=%t", how, size, warm), func(t *testing.T) {
					dir := t.TempDir()
					path := put(t, filepath.Join(dir, "v/victim"), noise(1, size))
					put(t, filepath.Join(dir, "w/intact"), noise(2, 200_000))
					s := build(t, Options{}, dir)
					victim, intact := firstBlock(t, s, "v/victim"), firstBlock(t, s, "w/intact")
					if warm {
						must(t, readWhole(s, victim))
					}
					must(t, change(path))
					for _, read := range []func(*Source, blocks.Index) error{readWhole, readWhole, (*Source).Recheck} {
						err := read(s, victim)
						var changed *ChangedError
						if named := errors.As(err, &changed) && changed.Path == path; intactAfter[how] != (err == nil) || !named && err != nil {
							t.Fatalf("%v", err)
						}
					}
					must(t, readWhole(s, intact))
					if got := s.Changed(); !slices.Equal(got, []string{path}) {
						t.Errorf("changed: %q", got)
					}
				})
			}
		}
	}
}

// One byte of a large file changes: what is asked of it in any part is right, or refused; and only one Block is.
func TestOnlyTheChangedBlockIsRefused(t *testing.T) {
	was := noise(1, 4<<20)
	path := put(t, filepath.Join(t.TempDir(), "f"), was)
	s := build(t, Options{}, path)
	is := bytes.Clone(was)
	is[3_000_000]++
	must(t, os.WriteFile(path, is, 0o644))
	must(t, os.Chtimes(path, time.Time{}, time.Unix(1e9, 0))) // seen by every clock
	header := s.Content().Header()
	refused := 0
	for i := blocks.Index(header.ManifestBlocks()); uint32(i) < header.Blocks; i++ {
		at := int(uint32(i)-header.ManifestBlocks()) * int(header.BlockSize)
		part := make([]byte, 5000)
		err := s.ReadBlock(i, 700, part)
		switch {
		case errors.Is(err, ErrChanged) && errors.Is(readWhole(s, i), ErrChanged):
			refused++
			if at/int(header.BlockSize) != 3_000_000/int(header.BlockSize) {
				t.Errorf("block %d is refused", i)
			}
		case err != nil || !bytes.Equal(part, was[at+700:][:5000]):
			t.Errorf("block %d: %v", i, err)
		}
	}
	if refused != 1 || !slices.Equal(s.Changed(), []string{path}) {
		t.Errorf("%d blocks are refused, changed %q", refused, s.Changed())
	}
}

func TestChmodAndNewLinkChangeNothing(t *testing.T) {
	path := put(t, filepath.Join(t.TempDir(), "f"), noise(1, 1000))
	s := build(t, Options{}, path)
	must(t, os.Chmod(path, 0o600))
	must(t, os.Link(path, path+"2"))
	sameFiles(t, fetch(t, s), map[string][]byte{"": noise(1, 1000)})
	if got := s.Changed(); got != nil {
		t.Errorf("changed: %q", got)
	}
}

// A change that leaves no trace in the stamp is what Recheck is for.
func TestRecheckFindsSilentChange(t *testing.T) {
	for _, size := range []int{1000, 200_000} {
		dir := t.TempDir()
		path := put(t, filepath.Join(dir, "victim"), noise(1, size))
		other := put(t, filepath.Join(dir, "other"), noise(2, 1000))
		s := build(t, Options{}, dir)
		i := firstBlock(t, s, "victim")
		must(t, s.Recheck(i))
		st, err := os.Stat(path)
		must(t, err)
		must(t, os.WriteFile(path, noise(3, size), 0o644))
		must(t, os.Chtimes(path, st.ModTime(), st.ModTime()))
		must(t, readWhole(s, i)) // nothing to be seen
		var changed *ChangedError
		if err := s.Recheck(i); !errors.As(err, &changed) || changed.Path != path {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := readWhole(s, i); !errors.Is(err, ErrChanged) {
			t.Errorf("%d bytes: read afterwards: %v", size, err)
		}
		if got := s.Changed(); !slices.Equal(got, []string{path}) {
			t.Errorf("%d bytes: changed %q, not %q", size, got, other)
		}
	}
}

func TestReadBlockInParts(t *testing.T) {
	dir := t.TempDir()
	for n := range 40 {
		put(t, filepath.Join(dir, fmt.Sprint(n)), noise(uint64(n), 1+n*97))
	}
	put(t, filepath.Join(dir, "large"), noise(99, 150_000))
	s := build(t, Options{}, dir)
	l := s.Content().Layout()
	for i := blocks.Index(0); uint32(i) < l.Blocks(); i++ {
		size := s.Content().BlockLen(i)
		whole := make([]byte, size)
		must(t, s.ReadBlock(i, 0, whole))
		if !s.Content().Check(i, whole) {
			t.Errorf("block %d does not verify", i)
		}
		for _, step := range []uint32{333, 4096, size} {
			for at := uint32(0); at < size; at += step {
				part := make([]byte, min(step, size-at))
				must(t, s.ReadBlock(i, at, part))
				if !bytes.Equal(part, whole[at:at+uint32(len(part))]) {
					t.Fatalf("block %d: [%d, +%d) differs from the whole", i, at, len(part))
				}
			}
		}
		if err := s.ReadBlock(i, size, make([]byte, 1)); err == nil {
			t.Errorf("block %d was read beyond its end", i)
		}
		if err := s.ReadBlock(i, 0, make([]byte, size+1)); err == nil {
			t.Errorf("block %d gave more than it has", i)
		}
	}
	if err := s.ReadBlock(blocks.Index(l.Blocks()), 0, make([]byte, 1)); err == nil {
		t.Error("a block beyond the last one was read")
	}
}

func TestPathNamesOriginals(t *testing.T) {
	dir := t.TempDir()
	large := put(t, filepath.Join(dir, "large"), noise(1, 150_000))
	first := put(t, filepath.Join(dir, "p1"), noise(2, 10))
	put(t, filepath.Join(dir, "p2"), noise(3, 10))
	s := build(t, Options{}, dir)
	for path, want := range map[string]string{"large": large, "p1": first + " (and 1 more)"} {
		if got := s.Path(firstBlock(t, s, path)); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := s.Path(0); got != "" {
		t.Errorf("the manifest's block is %q", got)
	}
}

// openHere counts this process's descriptors that lie below dir.
func openHere(t *testing.T, dir string) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no /proc")
	}
	must(t, err)
	n := 0
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

func TestOpenFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 * maxOpen {
		put(t, filepath.Join(dir, fmt.Sprint(n)), noise(uint64(n), 500))
	}
	s := build(t, Options{}, dir)
	if n := openHere(t, dir); n != 0 {
		t.Errorf("%d files open after Build", n)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				for i := range s.Content().Layout().Blocks() {
					if err := readWhole(s, blocks.Index(i)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := openHere(t, dir); n != maxOpen {
		t.Errorf("%d files open, want %d", n, maxOpen)
	}
	must(t, s.Close())
	if n := openHere(t, dir); n != 0 {
		t.Errorf("%d files open after Close", n)
	}
	if err := readWhole(s, firstBlock(t, s, "1")); !errors.Is(err, errClosed) {
		t.Errorf("read after Close: %v", err)
	}
}

func TestCloseWhileReading(t *testing.T) {
	dir := t.TempDir()
	for n := range 50 {
		put(t, filepath.Join(dir, fmt.Sprint(n)), noise(uint64(n), 5000))
	}
	s := build(t, Options{}, dir)
	last := blocks.Index(s.Content().Layout().Blocks() - 1)
	var wg sync.WaitGroup
	started := make(chan struct{}, 4)
	for range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				err := readWhole(s, last)
				if n == 0 {
					started <- struct{}{}
				}
				if err != nil {
					if !errors.Is(err, errClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	must(t, s.Close())
	wg.Wait()
	if n := openHere(t, dir); n != 0 {
		t.Errorf("%d files open", n)
	}
}
