package blocks

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// sampleTime is the mtime of samples: with nanoseconds, and before 1970 for odd ones.
const sampleTime = 1_600_000_000_123_456_789

// sample is content in memory: what a seed has.
type sample struct {
	content *Content
	bytes   map[string][]byte // of files, by path
}

// sampleOf is a directory of files, directories (with a trailing slash) and links (path -> target).
func sampleOf(t testing.TB, files map[string][]byte, dirs []string, links map[string]string) *sample {
	t.Helper()
	kinds := map[string]Entry{"": {Kind: Dir, Mode: 0o755}}
	parents := func(p string) {
		for p = path.Dir(p); p != "."; p = path.Dir(p) {
			if _, ok := kinds[p]; !ok {
				kinds[p] = Entry{Kind: Dir, Mode: 0o750}
			}
		}
	}
	for _, d := range dirs {
		kinds[d] = Entry{Kind: Dir, Mode: 0o711}
		parents(d)
	}
	for p := range files {
		kinds[p] = Entry{Kind: File, Mode: []uint16{0o644, 0o755, 0o400}[len(p)%3]}
		parents(p)
	}
	for p, l := range links {
		kinds[p] = Entry{Kind: Symlink, Mode: 0o777, Link: l}
		parents(p)
	}
	return seal(t, kinds, files)
}

// singleSample is one file.
func singleSample(t testing.TB, b []byte) *sample {
	t.Helper()
	return seal(t, map[string]Entry{"": {Kind: File, Mode: 0o755}}, map[string][]byte{"": b})
}

// seal makes Content of Entries by path, in the smallest Blocks.
func seal(t testing.TB, kinds map[string]Entry, files map[string][]byte) *sample {
	t.Helper()
	m := &Manifest{Name: "sample"}
	trees := map[Root]*Tree{}
	h := Header{BlockSize: MinBlockSize, Dir: kinds[""].Kind == Dir}
	for p, e := range kinds {
		e.Path, e.ModTime = p, sampleTime+int64(len(p))
		if len(p)%5 == 4 {
			e.ModTime = -1_500_000_001 // before 1970
		}
		if e.Kind == File {
			b := files[p]
			tree, zeros, err := BuildTree(bytes.NewReader(b), uint64(len(b)), h.BlockSize, nil)
			if err != nil {
				t.Fatal(err)
			}
			e.Size, e.Root, e.Zeros = uint64(len(b)), tree.Root(), zeros
			trees[e.Root] = tree
			h.Bytes += e.Size
		}
		m.Entries = append(m.Entries, e)
	}
	m.Sort()
	raw := m.Append(nil)
	h.Entries, h.ManifestSize, h.ManifestRoot = uint32(len(m.Entries)), uint64(len(raw)), Sum(raw)
	l, err := NewLayout(m, h.BlockSize, h.ManifestBlocks())
	if err != nil {
		t.Fatal(err)
	}
	h.Blocks = l.Blocks()
	var list []*Tree
	for _, g := range l.Larges() {
		list = append(list, trees[m.Entries[g.Entry].Root])
	}
	c, err := SealContent(h, m, raw, list)
	if err != nil {
		t.Fatal(err)
	}
	return &sample{content: c, bytes: files}
}

// block is Block i.
func (s *sample) block(i Index) (b []byte) {
	for _, sl := range s.content.Layout().Slices(nil, i) {
		e := s.content.Manifest().Entries[sl.Entry]
		b = append(b, s.bytes[e.Path][sl.Offset:][:sl.Length]...)
	}
	return b
}

// receiver is Content that knows the Manifest and no more.
func (s *sample) receiver(t testing.TB) *Content {
	t.Helper()
	c := NewContent(s.content.Header())
	sendManifest(t, c, s.content.ManifestBytes())
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	return c
}

// mustEqual compares a target with the sample: kinds, bytes, modes (less umask), times, links, and nothing else there.
func (s *sample) mustEqual(t testing.TB, target string, umask fs.FileMode) {
	t.Helper()
	seen := 0
	byPath := map[string]Entry{}
	for _, e := range s.content.Manifest().Entries {
		byPath[e.Path] = e
	}
	err := filepath.Walk(target, func(p string, fi fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p, target), "/")
		e, ok := byPath[name]
		if !ok {
			t.Errorf("%q is extra", name)
			return nil
		}
		seen++
		if fi.ModTime().UnixNano() != e.ModTime {
			t.Errorf("%q: mtime %d, want %d", name, fi.ModTime().UnixNano(), e.ModTime)
		}
		if e.Kind != Symlink && fi.Mode()&^fs.ModeDir != fs.FileMode(e.Mode)&^umask {
			t.Errorf("%q: mode %v, want %o", name, fi.Mode(), e.Mode)
		}
		switch e.Kind {
		case Dir:
			if !fi.IsDir() {
				t.Errorf("%q is no directory", name)
			}
		case Symlink:
			if l, err := os.Readlink(p); err != nil || l != e.Link {
				t.Errorf("%q links to %q, %v", name, l, err)
			}
		case File:
			b, err := os.ReadFile(p)
			if err != nil || !bytes.Equal(b, s.bytes[name]) || Sum(b) != e.Root {
				t.Errorf("%q: wrong bytes, %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if seen != len(byPath) {
		t.Errorf("%d entries of %d", seen, len(byPath))
	}
}

// mustBeClean checks that a directory holds nothing but the named.
func mustBeClean(t testing.TB, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(names) {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

// zeroed returns b with some Blocks zero.
func zeroed(b []byte, blocks ...int) []byte {
	for _, k := range blocks {
		clear(b[k*MinBlockSize : min(len(b), (k+1)*MinBlockSize)])
	}
	return b
}

// richSample has one of everything.
func richSample(t testing.TB) *sample {
	big := zeroed(noise(9*MinBlockSize+77, 1), 3, 4, 9)
	return sampleOf(t, map[string][]byte{
		"big":            big,
		"copy of big":    big,
		"all zero":       make([]byte, 5*MinBlockSize),
		"empty":          {},
		"one":            {7},
		"block":          noise(MinBlockSize, 2),
		"block and one":  noise(MinBlockSize+1, 3),
		"sub/new\nline":  noise(100, 4),
		"sub/ünï ☃":      noise(5000, 5),
		"sub/a/b/c/deep": noise(12000, 6),
		"sub/copy":       noise(100, 4),
		"sub/empty too":  {},
		"sub-":           noise(9000, 7),
		"zeros":          make([]byte, 300),
	}, []string{"hollow", "hollow/inner", "z"}, map[string]string{
		"link": "big", "sub/up": "../one", "sub/dangling": "nowhere", "sub/a/dir": "../../hollow",
	})
}
