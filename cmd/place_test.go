package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2pcp/blocks"
)

// sealed is the Content of one empty file, or of an empty directory.
func sealed(t *testing.T, dir bool) *blocks.Content {
	t.Helper()
	e := blocks.Entry{Kind: blocks.File, Mode: 0o644, Root: blocks.Sum(nil)}
	if dir {
		e = blocks.Entry{Kind: blocks.Dir, Mode: 0o755}
	}
	m := &blocks.Manifest{Name: "name", Entries: []blocks.Entry{e}}
	b := m.Append(nil)
	h := blocks.Header{BlockSize: 1 << 16, Dir: dir, Entries: 1, Blocks: 1, ManifestSize: uint64(len(b)), ManifestRoot: blocks.Sum(b)}
	c, err := blocks.SealContent(h, m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// DIR/ means inside; else the path is exact, but for one file and an existing directory.
func TestFindPlace(t *testing.T) {
	work := t.TempDir()
	t.Chdir(work)
	if err := os.Mkdir("there", 0o755); err != nil {
		t.Fatal(err)
	}
	file, dir := sealed(t, false), sealed(t, true)
	for _, c := range []struct {
		to        string
		file, dir string // relative to work
	}{
		{"./", "name", "name"},
		{"there/", "there/name", "there/name"},
		{"there", "there/name", "there"},
		{"new", "new", "new"},
		{"new/", "new/name", "new/name"},
		{"a/b/", "a/b/name", "a/b/name"},
		{"./-", "-", "-"},
		{work + "/x//y/../z", "x/z", "x/z"},
	} {
		for content, want := range map[*blocks.Content]string{file: c.file, dir: c.dir} {
			p, err := findPlace(c.to, content)
			if err != nil || p.target != filepath.Join(work, want) || p.make != strings.HasSuffix(c.to, "/") {
				t.Errorf("%s: %+v %v, want %s", c.to, p, err, want)
			}
		}
	}
	if _, err := findPlace("/tmp/..", dir); err == nil {
		t.Error("/ can be replaced")
	}
}

// Without a slash nothing is made; with one, only prepare makes the directory.
func TestPreparePlace(t *testing.T) {
	dir := t.TempDir()
	inside := place{filepath.Join(dir, "a/b/name"), true}
	if err := (place{inside.target, false}).prepare(); codeOf(err) != exitLocal {
		t.Errorf("no directory: %v", err)
	}
	if err := inside.check(); err != nil {
		t.Errorf("a directory that can be made: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		t.Error("check made it")
	}
	if err := inside.prepare(); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(filepath.Join(dir, "a/b")); err != nil || !st.IsDir() {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, makes := range []bool{true, false} {
		if err := (place{filepath.Join(dir, "f/name"), makes}).prepare(); codeOf(err) != exitLocal {
			t.Errorf("inside a file: %v", err)
		}
	}
}

func codeOf(err error) int {
	if err == nil {
		return exitOK
	}
	var own *exitError
	if !errors.As(err, &own) {
		return exitFailure
	}
	return own.code
}

// What differs needs --force, what is extra --delete, both both.
func TestMayReplace(t *testing.T) {
	const target = "/d/name"
	one := []string{`"sub/x"`}
	for _, c := range []struct {
		what             blocks.Compare
		none, f, del, fd bool // allowed with these flags
		says             string
	}{
		{blocks.Compare{Absent: true}, true, true, true, true, ""},
		{blocks.Compare{Same: true}, true, true, true, true, ""},
		{blocks.Compare{NDiffer: 1, Differs: []string{`"name"`}}, false, true, false, true, "/d/name exists and differs"},
		{blocks.Compare{NDiffer: 1, Differs: one}, false, true, false, true, `/d/name exists and differs in "sub/x"`},
		{blocks.Compare{NDiffer: 7, Differs: one}, false, true, false, true, `/d/name exists and differs in 7 paths, such as "sub/x"`},
		{blocks.Compare{NExtra: 1, Extra: one}, false, false, true, true, `/d/name has a path that isn't sent, such as "sub/x"`},
		{blocks.Compare{NExtra: 3, Extra: one}, false, false, true, true, `/d/name has 3 paths that aren't sent, such as "sub/x"`},
		{blocks.Compare{NDiffer: 1, Differs: one, NExtra: 1, Extra: one}, false, false, false, true, `/d/name exists and differs in "sub/x"`},
	} {
		for i, want := range []bool{c.none, c.f, c.del, c.fd} {
			err := mayReplace(c.what, &getFlags{force: i&1 == 1, delete: i&2 == 2}, target)
			if (err == nil) != want || err != nil && codeOf(err) != exitExists {
				t.Errorf("%+v with flags %d: %v", c.what, i, err)
			}
			if i == 0 && err != nil && err.Error() != c.says {
				t.Errorf("%q, want %q", err, c.says)
			}
		}
	}
}

func TestElseOf(t *testing.T) {
	dir := t.TempDir()
	for to, want := range map[string]string{dir: "-o " + dir + "/ to put it inside", dir + "/": "-o for another path", dir + "/none": "-o for another path"} {
		if got := elseOf(to, to); got != want {
			t.Errorf("%s: %s", to, got)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 5, "abc"}, {"abc", 2, "ab"}, {"aé", 2, "a"}, {"a\xffb", 9, "a?b"}, {"", 0, ""}, {"日本", 4, "日"}} {
		if got := clip(c.in, c.n); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
