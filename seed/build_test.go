package seed

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// shape lists a Manifest's Entries: kind and path.
func shape(s *Source) []string {
	var out []string
	for _, e := range s.Content().Manifest().Entries {
		line := fmt.Sprintf("%c %s", e.Kind.String()[0], e.Path)
		if e.Link != "" {
			line += " -> " + e.Link
		}
		out = append(out, line)
	}
	return out
}

func wantShape(t *testing.T, s *Source, want ...string) {
	t.Helper()
	if got := shape(s); !slices.Equal(got, want) {
		t.Errorf("entries\n%q\nwant\n%q", got, want)
	}
}

func TestBuildOneFile(t *testing.T) {
	for _, size := range []int{0, 1, 1023, 1024, 1025, 16384, 65535, 65536, 65537, 131072, 300_000} {
		b := noise(1, size)
		s := build(t, Options{}, put(t, filepath.Join(t.TempDir(), "a file"), b))
		h := s.Content().Header()
		if h.Dir || h.Entries != 1 || h.Bytes != uint64(size) || s.Content().Manifest().Name != "a file" {
			t.Errorf("%d bytes: %+v %q", size, h, s.Content().Manifest().Name)
		}
		if e := s.Content().Manifest().Entries[0]; e.Root != blocks.Sum(b) || e.Mode != 0o644 {
			t.Errorf("%d bytes: %+v", size, e)
		}
		sameFiles(t, fetch(t, s), map[string][]byte{"": b})
	}
}

func TestBuildTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	want := map[string][]byte{
		"a":                nil,
		"a.d":              noise(1, 10),
		"big":              noise(2, 200_000),
		"copy of big":      noise(2, 200_000),
		"d/line\nfeed":     noise(3, 65536),
		"d/e/ü 文 \x01":     noise(4, 70_000),
		"d/e/sparse":       append(make([]byte, 200_000), 1),
		"d-e":              noise(5, 1),
		"-rf":              noise(6, 2),
		"d/e/f/g/h/i/deep": noise(7, 3),
	}
	for path, b := range want {
		put(t, filepath.Join(dir, path), b)
	}
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	must(t, os.Symlink("../d-e", filepath.Join(dir, "d/link")))
	must(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	must(t, os.Symlink("d", filepath.Join(dir, "to a directory")))
	must(t, os.Chmod(filepath.Join(dir, "d-e"), 0o755|os.ModeSetuid))
	s := build(t, Options{}, dir)
	sameFiles(t, fetch(t, s), want)
	wantShape(t, s, "d ", "f -rf", "f a", "f a.d", "f big", "f copy of big", "d d", "d d/e", "d d/e/f", "d d/e/f/g", "d d/e/f/g/h",
		"d d/e/f/g/h/i", "f d/e/f/g/h/i/deep", "f d/e/sparse", "f d/e/ü 文 \x01", "f d/line\nfeed", "s d/link -> ../d-e", "f d-e",
		"s dangling -> nowhere", "d empty", "s to a directory -> d")
	for _, e := range s.Content().Manifest().Entries {
		st, err := os.Lstat(filepath.Join(dir, e.Path))
		must(t, err)
		if uint16(st.Mode().Perm()) != e.Mode || st.ModTime().UnixNano() != e.ModTime {
			t.Errorf("%q: mode %o, time %d; it has %v, %v", e.Path, e.Mode, e.ModTime, st.Mode(), st.ModTime().UnixNano())
		}
		if sparse := e.Path == "d/e/sparse"; (len(e.Zeros) > 0) != sparse {
			t.Errorf("%q: zeros %v", e.Path, e.Zeros)
		}
	}
}

func TestSameContentSameID(t *testing.T) {
	dir := t.TempDir()
	a := put(t, filepath.Join(dir, "a"), noise(1, 100))
	b := put(t, filepath.Join(dir, "b"), noise(2, 100_000))
	one := build(t, Options{Workers: 1}, a, b).Content().ID()
	two := build(t, Options{Workers: 7}, b, a).Content().ID()
	if one != two {
		t.Error("the order of arguments or the number of workers changes the ID")
	}
	put(t, a, noise(3, 100))
	if three := build(t, Options{}, a, b).Content().ID(); three == one {
		t.Error("other content has the same ID")
	}
}

func TestSeveralPathsBecomeOneDirectory(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "x/tree/one"), noise(1, 10))
	put(t, filepath.Join(dir, "y/file"), noise(2, 10))
	must(t, os.Symlink("y/file", filepath.Join(dir, "link")))
	t.Chdir(dir)
	s := build(t, Options{}, "y/../y/file", "x/tree/", "link")
	wantShape(t, s, "d ", "f file", "f link", "d tree", "f tree/one")
	sameFiles(t, fetch(t, s), map[string][]byte{"file": noise(2, 10), "link": noise(2, 10), "tree/one": noise(1, 10)})
	if name := s.Content().Manifest().Name; name != "files" {
		t.Errorf("name %q", name)
	}
	if name := build(t, Options{Name: "mine"}, "y/file", "x").Content().Manifest().Name; name != "mine" {
		t.Errorf("name %q", name)
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "real-1.2/f"), nil)
	must(t, os.Symlink("real-1.2", filepath.Join(dir, "latest")))
	t.Chdir(filepath.Join(dir, "latest"))
	for path, want := range map[string]string{".": "real-1.2", "../latest": "latest", "../latest/": "latest", "f": "f"} {
		// The working directory is known by the name that the shell keeps for it, or by its own.
		got := build(t, Options{}, path).Content().Manifest().Name
		if got != want && (path != "." || got != "latest") {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := build(t, Options{Name: "other"}, "f").Content().Manifest().Name; got != "other" {
		t.Errorf("--name: %q", got)
	}
}

func TestBuildErrors(t *testing.T) {
	dir := t.TempDir()
	file := put(t, filepath.Join(dir, "file"), nil)
	other := put(t, filepath.Join(dir, "sub/file"), nil)
	must(t, os.Symlink("none", filepath.Join(dir, "dangling")))
	must(t, os.Mkdir(filepath.Join(dir, "links"), 0o755))
	must(t, os.Symlink("../file", filepath.Join(dir, "links/out")))
	must(t, os.Mkdir(filepath.Join(dir, "absolute"), 0o755))
	must(t, os.Symlink(file, filepath.Join(dir, "absolute/link")))
	must(t, os.Mkdir(filepath.Join(dir, "back"), 0o755))
	must(t, os.Symlink("a/../b", filepath.Join(dir, "back/link")))
	put(t, filepath.Join(dir, "names/a\\b"), nil)
	put(t, filepath.Join(dir, "latin/\xfcber\n"), nil)
	put(t, filepath.Join(dir, "two/a\\"), nil)
	put(t, filepath.Join(dir, "two/b\\"), nil)
	put(t, filepath.Join(dir, "skipped/x"), nil)
	for name, c := range map[string]struct {
		paths []string
		o     Options
		want  error
		text  string
	}{
		"no path":                    {nil, Options{}, ErrEmpty, ""},
		"empty path":                 {[]string{""}, Options{}, ErrUnreadable, "empty"},
		"missing":                    {[]string{dir + "/none"}, Options{}, ErrMissing, `/none"`},
		"one missing":                {[]string{file, dir + "/none"}, Options{}, ErrMissing, `/none"`},
		"below a file":               {[]string{file + "/x"}, Options{}, ErrUnreadable, "not a directory"},
		"dangling":                   {[]string{dir + "/dangling"}, Options{}, ErrMissing, `dangling" leads`},
		"collision":                  {[]string{file, other}, Options{}, ErrSameName, other},
		"twice":                      {[]string{file, file}, Options{}, ErrSameName, file},
		"bad name":                   {[]string{file}, Options{Name: "a/b"}, ErrRefused, "--name"},
		"link out":                   {[]string{dir + "/links"}, Options{}, ErrRefused, "links/out"},
		"absolute link":              {[]string{dir + "/absolute"}, Options{}, ErrRefused, "--exclude"},
		"link with .. behind a name": {[]string{dir + "/back"}, Options{}, ErrRefused, "back/link"},
		"backslash":                  {[]string{dir + "/names"}, Options{}, ErrRefused, `names/a\\b"`},
		"not UTF-8":                  {[]string{dir + "/latin"}, Options{}, ErrRefused, `\xfcber\n"`},
		"several":                    {[]string{dir + "/two"}, Options{}, ErrRefused, "(and 1 more"},
		"bad glob":                   {[]string{file}, Options{Exclude: []string{"[x"}}, ErrPattern, "[x"},
		"all excluded":               {[]string{dir + "/skipped"}, Options{Exclude: []string{"x"}}, ErrEmpty, ""},
		"device":                     {[]string{os.DevNull}, Options{}, ErrEmpty, ""},
		"several excluded":           {[]string{file, dir + "/sub"}, Options{Exclude: []string{"file", "sub"}}, ErrEmpty, ""},
	} {
		s, err := Build(t.Context(), c.paths, c.o)
		if s != nil || !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.text)
		}
		if strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%s: an unquoted line feed in %q", name, err)
		}
	}
	// The link is fine where what it leads to is sent too.
	wantShape(t, build(t, Options{}, dir+"/links", file), "d ", "f file", "d links", "s links/out -> ../file")
}

func TestEmptyDirectoryCanBeSent(t *testing.T) {
	s := build(t, Options{}, t.TempDir())
	wantShape(t, s, "d ")
	if h := s.Content().Header(); !h.Dir || h.Bytes != 0 {
		t.Errorf("%+v", h)
	}
}

func TestExclude(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "top")
	for _, path := range []string{"a.o", "b.c", "src/a.o", "src/c.c", "build/x/y", "src/build", "tmp/1", "tmp/2"} {
		put(t, filepath.Join(dir, path), nil)
	}
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "bad.o")))
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe.o"), 0o600))
	put(t, filepath.Join(dir, "a\\b.o"), nil)
	warn := func(path, why string) { t.Errorf("warned of %q: %s", path, why) }
	s := build(t, Options{Exclude: []string{"*.o", "build", "tmp/1", "top"}, Warn: warn}, dir)
	wantShape(t, s, "d ", "f b.c", "d src", "f src/c.c", "d tmp", "f tmp/2")
	several := build(t, Options{Exclude: []string{"top/src", "*.o", "other"}, Warn: warn}, dir, put(t, filepath.Join(t.TempDir(), "other"), nil))
	wantShape(t, several, "d ", "d top", "f top/b.c", "d top/build", "d top/build/x", "f top/build/x/y", "d top/tmp", "f top/tmp/1", "f top/tmp/2")
}

func TestSpecialFilesAreSkippedWithAWarning(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), nil)
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	t.Chdir(dir) // a socket's path has to be short
	l, err := net.Listen("unix", "sock")
	must(t, err)
	defer l.Close()
	var got []string
	s := build(t, Options{Warn: func(path, why string) { got = append(got, filepath.Base(path)+" "+why) }}, dir, os.DevNull)
	wantShape(t, s, "d ", "d "+filepath.Base(dir), "f "+filepath.Base(dir)+"/file")
	slices.Sort(got)
	if want := []string{"null is a device", "pipe is a named pipe", "sock is a socket"}; !slices.Equal(got, want) {
		t.Errorf("warnings %q", got)
	}
}

func BenchmarkBuild20000SmallFiles(b *testing.B) {
	dir := b.TempDir()
	for i := range 20_000 {
		put(b, filepath.Join(dir, fmt.Sprint(i%100), fmt.Sprint(i)), noise(uint64(i), 1000+i%3000))
	}
	for _, cached := range []bool{false, true} {
		b.Run(fmt.Sprintf("cached=%t", cached), func(b *testing.B) {
			var o Options
			if cached {
				o.CacheDir = filepath.Join(b.TempDir(), "c")
				build(b, o, dir)
			}
			for b.Loop() {
				build(b, o, dir)
			}
		})
	}
}
