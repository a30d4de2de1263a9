package blocks

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// readVectorFile reads a file of docs/vectors: lines "name: hex", comments, empty lines.
func readVectorFile(t testing.TB, name string) map[string][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "docs", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	vectors := map[string][]byte{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, digits, ok := strings.Cut(line, ": ")
		b, err := hex.DecodeString(digits)
		if _, twice := vectors[key]; !ok || err != nil || twice {
			t.Fatalf("%s: bad line %q: %v", name, line, err)
		}
		vectors[key] = b
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// goldenManifests are the Manifests of docs/vectors/manifest.txt, described there.
func goldenManifests() map[string]*Manifest {
	const block = MinBlockSize
	sparse := make([]byte, 5*block+100)
	for i := range block {
		sparse[i], sparse[3*block+i], sparse[4*block+i] = 'x', 'y', 'z'
	}
	hello := []byte("hello\n")
	return map[string]*Manifest{
		"file": {Name: "hello.txt", Entries: []Entry{
			{Kind: File, Mode: 0o644, ModTime: 1_700_000_000_123_456_789, Size: 6, Root: Sum(hello)},
		}},
		"tree": {Name: "tree", Entries: []Entry{
			{Kind: Dir, Mode: 0o755, ModTime: 1_700_000_000_000_000_000},
			{Kind: Dir, Path: "a", Mode: 0o750, ModTime: 0},
			{Kind: File, Path: "a/hello.txt", Mode: 0o644, ModTime: -1, Size: 6, Root: Sum(hello)},
			{Kind: Symlink, Path: "a/link", Mode: 0o777, ModTime: 1, Link: "../a b/./sparse"},
			{Kind: Dir, Path: "a b", Mode: 0o700, ModTime: 2},
			{Kind: File, Path: "a b/empty", Mode: 0o600, ModTime: 3, Root: Sum(nil)},
			{
				Kind: File, Path: "a b/sparse", Mode: 0o755, ModTime: 4, Size: uint64(len(sparse)), Root: Sum(sparse),
				Zeros: []Span{{First: 1, Count: 2}, {First: 5, Count: 1}},
			},
			{Kind: File, Path: "copy\n\u00e9", Mode: 0o444, ModTime: 5, Size: 6, Root: Sum(hello)},
		}},
	}
}

// goldenHeaders are the Headers of goldenManifests.
func goldenHeaders(t *testing.T) map[string]Header {
	t.Helper()
	headers := map[string]Header{}
	for name, m := range goldenManifests() {
		b := m.Append(nil)
		h := headerOf(m, MinBlockSize, b)
		l, err := NewLayout(m, MinBlockSize, h.ManifestBlocks())
		if err != nil {
			t.Fatal(err)
		}
		h.Blocks = l.Blocks()
		headers[name] = h
	}
	return headers
}

func TestManifestVectors(t *testing.T) {
	vectors := readVectorFile(t, "manifest.txt")
	headers := goldenHeaders(t)
	for name, m := range goldenManifests() {
		if got := m.Append(nil); !bytes.Equal(got, vectors[name]) {
			t.Errorf("%s: %x, the vector is %x", name, got, vectors[name])
		}
		got, err := ParseManifest(headers[name], vectors[name])
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		delete(vectors, name)
	}
	for name, b := range vectors {
		if !strings.HasPrefix(name, "refuse-") {
			t.Errorf("%s: unknown vector", name)
			continue
		}
		h := headers["file"]
		if strings.HasPrefix(name, "refuse-tree-") {
			h = headers["tree"]
		}
		if m, err := decodeManifest(b); err == nil { // so that only the broken rule is left to refuse it
			h.Entries, h.Bytes = uint32(len(m.Entries)), m.Bytes()
		}
		h.ManifestSize = uint64(len(b))
		if _, err := ParseManifest(h, b); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeaderVectors(t *testing.T) {
	vectors := readVectorFile(t, "header.txt")
	for name, h := range goldenHeaders(t) {
		if got := h.Append(nil); !bytes.Equal(got, vectors[name]) {
			t.Errorf("%s: %x, the vector is %x", name, got, vectors[name])
		}
		if got, err := ParseHeader(vectors[name]); err != nil || got != h {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if id := h.ID(); !bytes.Equal(id[:], vectors[name+"-id"]) {
			t.Errorf("%s: ID %v, the vector is %x", name, id, vectors[name+"-id"])
		}
		delete(vectors, name)
		delete(vectors, name+"-id")
	}
	for name, b := range vectors {
		if !strings.HasPrefix(name, "refuse-") {
			t.Errorf("%s: unknown vector", name)
		}
		if _, err := ParseHeader(b); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
