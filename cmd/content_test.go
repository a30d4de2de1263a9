package cmd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// roundTrip seeds a path and gets it.
func roundTrip(l *sandbox, name string) {
	l.t.Helper()
	ticket, b := l.seed(name)
	l.ok("get", ticket, "-o", "to/", "--listen", "127.0.0.1", "--linger", "0")
	b.exits(l.t, syscall.SIGTERM)
}

// Sizes around every border, equal files, links, odd names, empty directories: all arrive as they were.
func TestContentOfTree(t *testing.T) {
	l := newSandbox(t)
	const chunk, group, block = 1 << 10, 16 << 10, 64 << 10
	for _, border := range []int{0, chunk, group, block, 2 * block, 1 << 20} {
		for _, size := range []int{border - 1, border, border + 1} {
			if size >= 0 {
				l.file(fmt.Sprintf("tree/sizes/%d", size), byte(size), size)
			}
		}
	}
	l.file("tree/twice/large", 9, 3*block+5)
	l.file("tree/twice/large again", 9, 3*block+5)
	l.file("tree/twice/small", 9, 500)
	l.file("tree/twice/again/small", 9, 500)
	for _, name := range []string{"new\nline", "ünïcödé", "日本", " lead", "-dash", "--", "a\tb", `"quoted"`, "\x1b[31m", strings.Repeat("x", 255)} {
		l.write("tree/names/"+name, name)
	}
	for _, dir := range []string{"tree/empty", "tree/-/e"} {
		l.check(os.MkdirAll(l.path(dir), 0o755))
	}
	l.check(os.Symlink("../sizes/1", l.path("tree/names/link")))
	l.check(os.Symlink("nowhere", l.path("tree/dangling")))
	l.check(os.Chmod(l.path("tree/names/-dash"), 0o755))
	roundTrip(l, "tree")
	if got, want := listing(t, l.path("to/tree")), listing(t, l.path("tree")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// One file of each size that is special.
func TestContentOfOneFile(t *testing.T) {
	l := newSandbox(t)
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1} {
		content := l.file("f", 1, size)
		roundTrip(l, "f")
		l.holds("to/f", content)
		l.check(os.Remove(l.path("to/f")))
	}
	l.check(os.Mkdir(l.path("empty"), 0o755))
	roundTrip(l, "empty")
	if l.names("to/empty") != "" {
		t.Error("an empty directory holds " + l.names("to/empty"))
	}
}

// Many small files are one case like any other.
func TestContentOfManyFiles(t *testing.T) {
	l := newSandbox(t)
	files := 20_000
	if testing.Short() {
		files = 2000
	}
	for dir := range files / 500 {
		l.check(os.MkdirAll(l.path(fmt.Sprintf("many/%d", dir)), 0o755))
		for i := range 500 {
			name := fmt.Sprintf("many/%d/%d", dir, i)
			l.check(os.WriteFile(l.path(name), []byte(strings.Repeat(name, i%40)), 0o644))
		}
	}
	roundTrip(l, "many")
	if got, want := listing(t, l.path("to/many")), listing(t, l.path("many")); got != want {
		t.Errorf("%d files differ", files)
	}
}

// Holes stay holes, and offsets beyond 4 GiB are right.
func TestContentOfSparseFile(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 4 GiB of zeros")
	}
	l := newSandbox(t)
	const size = 4<<30 + 1<<20
	f, err := os.Create(l.path("sparse"))
	l.check(err)
	defer f.Close()
	l.check(f.Truncate(size))
	parts := map[int64][]byte{0: noise(1, 10), 70_000: noise(2, 300_000), 4<<30 - 5: noise(3, 10), 4<<30 + 123_456: noise(4, 100), size - 1: {7}}
	for at, p := range parts {
		_, err := f.WriteAt(p, at)
		l.check(err)
	}
	ticket, _ := l.seed("sparse")
	r := l.getJSON("-o", "to/", ticket)
	if r.Bytes != size || r.Fetched > 8<<20 {
		t.Errorf("%+v", r)
	}
	g, err := os.Open(l.path("to/sparse"))
	l.check(err)
	defer g.Close()
	for at, want := range parts {
		got := make([]byte, len(want))
		if _, err := g.ReadAt(got, at); err != nil || string(got) != string(want) {
			t.Errorf("at %d: %v", at, err)
		}
	}
	st, err := g.Stat()
	l.check(err)
	if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > 16<<20 || st.Size() != size {
		t.Errorf("%d bytes take %d on the disk", st.Size(), used)
	}
}
