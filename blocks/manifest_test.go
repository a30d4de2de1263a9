package blocks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// mixedManifest has every kind of Entry, a zero range in the middle and one over the short tail; for 16 KiB blocks.
func mixedManifest() *Manifest {
	return &Manifest{Name: "a tree", Entries: []Entry{
		{Kind: Dir, Mode: 0o755, ModTime: 1_700_000_000_000_000_001},
		{
			Kind: File, Path: "big", Mode: 0o644, ModTime: -1, Size: 6*MinBlockSize + 7, Root: Root{0xb1, 0x9},
			Zeros: []Span{{First: 1, Count: 2}, {First: 5, Count: 2}},
		},
		{Kind: File, Path: "empty", Mode: 0o600, Root: emptyRoot},
		{Kind: Symlink, Path: "link", Mode: 0o777, ModTime: 1, Link: "sub/new\nline"},
		{Kind: Dir, Path: "sub", Mode: 0o700, ModTime: 1<<63 - 1},
		{Kind: File, Path: "sub/new\nline", Mode: 0, ModTime: -1 << 63, Size: 300, Root: Root{5}},
		{Kind: File, Path: "sub!", Mode: 0o755, Size: 1, Root: Root{6}},
	}}
}

// headerOf is the Header of any Manifest, good or not, as far as ParseManifest looks at it.
func headerOf(m *Manifest, blockSize uint32, b []byte) Header {
	return Header{
		BlockSize:    blockSize,
		Dir:          len(m.Entries) > 0 && m.Entries[0].Kind == Dir,
		Entries:      uint32(len(m.Entries)),
		Blocks:       1,
		ManifestSize: uint64(len(b)),
		Bytes:        m.Bytes(),
		ManifestRoot: Sum(b),
	}
}

func TestManifestRoundTrips(t *testing.T) {
	file := &Manifest{Name: "f", Entries: []Entry{{Kind: File, Mode: 0o755, Size: 3, Root: Root{1}}}}
	empty := &Manifest{Name: "f", Entries: []Entry{{Kind: File, Root: emptyRoot}}}
	for _, m := range []*Manifest{mixedManifest(), file, empty, {Name: "d", Entries: []Entry{{Kind: Dir}}}} {
		b := m.Append(nil)
		got, err := ParseManifest(headerOf(m, MinBlockSize, b), b)
		if err != nil {
			t.Errorf("%q: %v", m.Name, err)
			continue
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v\nwant %+v", got, m)
		}
	}
}

func TestAppendKeepsWhatIsBefore(t *testing.T) {
	m := mixedManifest()
	want := append([]byte("before"), m.Append(nil)...)
	if got := m.Append([]byte("before")); !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestParseManifestComparesWithTheHeader(t *testing.T) {
	m := mixedManifest()
	b := m.Append(nil)
	for name, change := range map[string]func(h *Header){
		"size":         func(h *Header) { h.ManifestSize++ },
		"fewer":        func(h *Header) { h.Entries-- },
		"more":         func(h *Header) { h.Entries++ },
		"bytes":        func(h *Header) { h.Bytes++ },
		"less bytes":   func(h *Header) { h.Bytes-- },
		"kind":         func(h *Header) { h.Dir = false },
		"block size":   func(h *Header) { h.BlockSize = MaxBlockSize }, // zero ranges in a small file
		"no blocksize": func(h *Header) { h.BlockSize = 0 },
	} {
		h := headerOf(m, MinBlockSize, b)
		change(&h)
		if _, err := ParseManifest(h, b); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every prefix, and everything behind the end, is refused.
func TestParseManifestRefusesCutsAndLeftovers(t *testing.T) {
	m := mixedManifest()
	b := m.Append(nil)
	h := headerOf(m, MinBlockSize, b)
	for n := range b {
		h.ManifestSize = uint64(n)
		if _, err := ParseManifest(h, b[:n]); !errors.Is(err, ErrManifest) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	h.ManifestSize = uint64(len(b) + 1)
	if _, err := ParseManifest(h, append(b, 0)); !errors.Is(err, ErrManifest) {
		t.Errorf("left over: %v", err)
	}
}

// A fileManifest is the wire form of a single file with raw bytes for its size and zero ranges.
func fileManifest(size, zeros []byte) []byte {
	b := append([]byte(manifestMagic), 1, 'f', 1)
	b = append(b, byte(File), 0, 0, 0)
	b = append(b, make([]byte, 8)...)
	b = append(b, size...)
	b = append(b, bytes.Repeat([]byte{9}, 32)...)
	return append(b, zeros...)
}

func TestParseManifestRefusesForms(t *testing.T) {
	const big = 8 * MinBlockSize
	size := binary.AppendUvarint(nil, big)
	uv := func(ns ...uint64) (b []byte) {
		for _, n := range ns {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	head := []byte(manifestMagic)
	for _, c := range []struct {
		name string
		b    []byte
		want string // part of the message; empty: accepted
	}{
		{"good", fileManifest(size, uv(0)), ""},
		{"good zeros", fileManifest(size, uv(2, 0, 0, 1, 5)), ""},
		{"magic", append([]byte("p2pcpM2\n"), fileManifest(size, uv(0))[8:]...), "begin"},
		{"long size", fileManifest([]byte{0x80, 0x80, 0x88, 0x00}, uv(0)), "shortest"},
		{"long count", fileManifest(size, []byte{0x80, 0x00}), "shortest"},
		{"long gap", fileManifest(size, []byte{1, 0x81, 0x00, 0}), "shortest"},
		{"65 bits", fileManifest([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, uv(0)), "range"},
		{"11 bytes", fileManifest(append(bytes.Repeat([]byte{0x80}, 10), 1), uv(0)), "range"},
		{"64 bits", fileManifest(uv(1<<64-1), uv(0)), "more than"},
		{"size over the limit", fileManifest(uv(MaxBytes+1), uv(0)), "more than"},
		{"more blocks than an index counts", fileManifest(uv(MaxBytes), uv(0)), "blocks"},
		{"touching zeros", fileManifest(size, uv(2, 0, 0, 0, 0)), "touches"},
		{"zeros outside", fileManifest(size, uv(1, 7, 1)), "block 9 of 8"},
		{"zeros at the end", fileManifest(size, uv(1, 7, 0)), ""},
		{"zeros over all", fileManifest(size, uv(1, 0, 7)), ""},
		{"zeros wrap around", fileManifest(size, uv(1, 1<<32, 0)), "more than"},
		{"zeros add up", fileManifest(size, uv(2, MaxBlocks, MaxBlocks, 1, 0)), "entry 0: zero range"},
		{"zeros of a small file", fileManifest(uv(MinBlockSize), uv(1, 0, 0)), "at most one block"},
		{"claims zeros", fileManifest(size, uv(1<<20)), "cut short"},
		{"too many zeros", fileManifest(size, append(uv(1<<20+1), make([]byte, 1<<22)...)), "more than"},
		{"no name", append(head, 0, 1), "name"},
		{"name too long", append(head, uv(256)...), "name"},
		{"claims a name", append(head, 255, 1), "name"},
		{"no entries", append(head, 1, 'f', 0), "0 entries"},
		{"claims entries", append(append(head, 1, 'f'), uv(1<<24)...), "number of entries"},
		{"too many entries", append(append(head, 1, 'f'), uv(1<<24+1)...), "number of entries"},
		{"kind 0", append(head, append([]byte{1, 'f', 1, 0}, make([]byte, 11)...)...), "kind 0"},
		{"kind 4", append(head, append([]byte{1, 'f', 1, 4}, make([]byte, 11)...)...), "kind 4"},
		{"claims a path", append(head, append(append([]byte{1, 'f', 1, 2}, uv(4096)...), make([]byte, 11)...)...), "cut short"},
	} {
		h := Header{BlockSize: MinBlockSize, Entries: 1, ManifestSize: uint64(len(c.b)), Bytes: big}
		if strings.HasPrefix(c.name, "no entries") {
			h.Entries = 0
		}
		m, err := ParseManifest(h, slices.Clip(c.b))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "" && !bytes.Equal(m.Append(nil), c.b):
			t.Errorf("%s: appended differently", c.name)
		case c.want != "" && (!errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// What a few bytes claim is not allocated.
func TestParseManifestAllocatesNoClaims(t *testing.T) {
	claims := map[string][]byte{
		"entries": append(binary.AppendUvarint(append([]byte(manifestMagic), 1, 'f'), 1<<24), make([]byte, 10)...),
		"zeros":   fileManifest([]byte{1}, binary.AppendUvarint(nil, 1<<20)),
		"name":    append([]byte(manifestMagic), 255, 1),
		"path":    append([]byte(manifestMagic), 1, 'f', 1, 2, 0x80, 0x20),
	}
	for name, b := range claims {
		h := Header{BlockSize: MinBlockSize, Entries: 1 << 24, ManifestSize: uint64(len(b))}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseManifest(h, b)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<19 {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(b))
		}
	}
}

func TestKindInWords(t *testing.T) {
	if got := fmt.Sprint(File, Dir, Symlink, Kind(9)); got != "file directory symlink kind 9" {
		t.Error(got)
	}
}
