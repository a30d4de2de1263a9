package seed

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2pcp/blocks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// old is a time at which no file is racy any more.
func old() time.Time { return time.Now().Add(-time.Hour) }

// noise is n bytes that nothing else in a test has.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b)
	return b
}

// put writes a file, its directories and an old time.
func put(t testing.TB, path string, b []byte) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, b, 0o644))
	must(t, os.Chtimes(path, old(), old()))
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// build builds and closes in the end.
func build(t testing.TB, o Options, paths ...string) *Source {
	t.Helper()
	s, err := Build(t.Context(), paths, o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// fetch reads all content through ReadBlock and checks each Block, as a receiver would: paths to bytes.
func fetch(t testing.TB, s *Source) map[string][]byte {
	t.Helper()
	c := s.Content()
	m, l := c.Manifest(), c.Layout()
	got := make(map[int][]byte)
	for i := blocks.Index(c.Header().ManifestBlocks()); uint32(i) < l.Blocks(); i++ {
		b := make([]byte, l.Len(i))
		must(t, s.ReadBlock(i, 0, b))
		if !c.Check(i, b) {
			t.Errorf("block %d does not verify", i)
		}
		for _, part := range l.Slices(nil, i) {
			got[part.Entry] = append(got[part.Entry], b[:part.Length]...)
			b = b[part.Length:]
		}
	}
	out := make(map[string][]byte)
	for e, entry := range m.Entries {
		if entry.Kind != blocks.File {
			continue
		}
		b := got[max(l.Original(e), 0)]
		if l.Original(e) < 0 {
			b = nil
		}
		if blocks.Sum(b) != entry.Root {
			t.Errorf("%q: wrong Root", entry.Path)
		}
		out[entry.Path] = b
	}
	return out
}

// sameFiles compares what was fetched with what is expected.
func sameFiles(t testing.TB, got, want map[string][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for path, b := range want {
		if g, ok := got[path]; !ok || !bytes.Equal(g, b) {
			t.Errorf("%q: present %t with %d bytes, want %d", path, ok, len(g), len(b))
		}
	}
}

// firstBlock is the first Block with bytes of a path.
func firstBlock(t testing.TB, s *Source, path string) blocks.Index {
	t.Helper()
	for e, entry := range s.Content().Manifest().Entries {
		if entry.Path == path {
			return blocks.Index(s.Content().Layout().SpanOf(e).First)
		}
	}
	t.Fatalf("no entry %q", path)
	return 0
}

// readWhole reads a whole Block.
func readWhole(s *Source, i blocks.Index) error {
	return s.ReadBlock(i, 0, make([]byte, s.Content().BlockLen(i)))
}
