package blocks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// dumbLayout lists what every Block holds, straight from PROTOCOL 1.4, with objects for everything.
func dumbLayout(m *Manifest, blockSize, manifestBlocks uint32) (slices [][]Slice, zero map[int]bool) {
	slices = make([][]Slice, manifestBlocks)
	zero = map[int]bool{}
	seen := map[Root]bool{}
	var small []int
	for i, e := range m.Entries {
		if e.Kind != File || e.Size == 0 || seen[e.Root] {
			continue
		}
		seen[e.Root] = true
		if e.Size <= uint64(blockSize) {
			small = append(small, i)
			continue
		}
		for _, z := range e.Zeros {
			for k := z.First; k < z.First+z.Count; k++ {
				zero[len(slices)+int(k)] = true
			}
		}
		for off := uint64(0); off < e.Size; off += uint64(blockSize) {
			slices = append(slices, []Slice{{i, off, uint32(min(e.Size-off, uint64(blockSize)))}})
		}
	}
	var open []Slice
	used := uint64(0)
	for _, i := range small {
		size := m.Entries[i].Size
		if used+size > uint64(blockSize) {
			slices = append(slices, open)
			open, used = nil, 0
		}
		open = append(open, Slice{i, 0, uint32(size)})
		used += size
	}
	if open != nil {
		slices = append(slices, open)
	}
	return slices, zero
}

// checkCoverage checks a Layout by itself: every byte of every file exactly once, all questions in agreement.
func checkCoverage(t *testing.T, m *Manifest, l *Layout, blockSize uint32) {
	t.Helper()
	next := map[int]uint64{} // bytes of a laid-out Entry that were seen
	for i := range Index(l.Blocks()) {
		sum := uint32(0)
		large, block, isLarge := l.LargeOf(i)
		all := l.Slices(nil, i)
		for _, s := range all {
			if s.Offset != next[s.Entry] || s.Length == 0 {
				t.Fatalf("block %d: %+v, expected offset %d", i, s, next[s.Entry])
			}
			next[s.Entry] += uint64(s.Length)
			sum += s.Length
			if span := l.SpanOf(s.Entry); uint32(i)-span.First >= span.Count {
				t.Fatalf("block %d: its entry %d is in %+v", i, s.Entry, span)
			}
			if isLarge && (l.Larges()[large].Entry != s.Entry || s.Offset != uint64(block)*uint64(blockSize)) {
				t.Fatalf("block %d: %+v is not block %d of large %d", i, s, block, large)
			}
		}
		if isLarge && len(all) != 1 || sum != l.Len(i) || sum > blockSize {
			t.Fatalf("block %d: %d slices of %d bytes, Len %d", i, len(all), sum, l.Len(i))
		}
	}
	for e := range m.Entries {
		o, span := l.Original(e), l.SpanOf(e)
		if m.Entries[e].Kind != File || m.Entries[e].Size == 0 {
			if o != -1 || span.Count != 0 {
				t.Fatalf("entry %d: original %d, %+v", e, o, span)
			}
			continue
		}
		if o > e || m.Entries[o].Root != m.Entries[e].Root || l.Original(o) != o || l.SpanOf(o) != span {
			t.Fatalf("entry %d: original %d, %+v", e, o, span)
		}
		if next[o] != m.Entries[e].Size || uint64(span.Count) != blocksOf(m.Entries[e].Size, blockSize) {
			t.Fatalf("entry %d: %d of %d bytes in %+v", e, next[o], m.Entries[e].Size, span)
		}
	}
}

// randomManifest has files of awkward sizes, some of them equal, some with zero ranges, among other Entries.
func randomManifest(rng *rand.Rand, blockSize uint32) *Manifest {
	m := &Manifest{Name: "r", Entries: []Entry{{Kind: Dir}}}
	b := uint64(blockSize)
	sizes := []uint64{0, 1, 2, b / 3, b / 2, b/2 + 1, b - 1, b, b + 1, 2*b - 1, 2 * b, 2*b + 1, 7*b + 5}
	for i := range rng.IntN(60) {
		path := fmt.Sprintf("f%03d", i)
		switch rng.IntN(8) {
		case 0:
			m.Entries = append(m.Entries, Entry{Kind: Dir, Path: path})
			continue
		case 1:
			m.Entries = append(m.Entries, Entry{Kind: Symlink, Path: path, Link: "x"})
			continue
		case 2:
			e := m.Entries[rng.IntN(len(m.Entries))]
			if e.Kind == File {
				e.Path = path
				m.Entries = append(m.Entries, e)
				continue
			}
		}
		e := Entry{Kind: File, Path: path, Size: sizes[rng.IntN(len(sizes))], Root: emptyRoot}
		if e.Size > 0 {
			binary.BigEndian.PutUint64(e.Root[rng.IntN(4)*8:], rng.Uint64())
		}
		if e.Size > b {
			n := uint32(blocksOf(e.Size, blockSize))
			for at := rng.Uint32N(3); at < n; at += 1 + rng.Uint32N(3) {
				z := Span{First: at, Count: 1 + rng.Uint32N(n-at)}
				e.Zeros = append(e.Zeros, z)
				at += z.Count
			}
		}
		m.Entries = append(m.Entries, e)
	}
	return m
}

func TestLayoutAgreesWithADumbOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for round := range 300 {
		blockSize := uint32(MinBlockSize) << rng.IntN(3)
		first := rng.Uint32N(3)
		m := randomManifest(rng, blockSize)
		if err := m.Check(blockSize, true); err != nil {
			t.Fatal(err)
		}
		l, err := NewLayout(m, blockSize, first)
		if err != nil {
			t.Fatal(err)
		}
		want, zero := dumbLayout(m, blockSize, first)
		if int(l.Blocks()) != len(want) {
			t.Fatalf("round %d: %d blocks, want %d", round, l.Blocks(), len(want))
		}
		wanted := l.Wanted()
		if wanted.Len() != l.Blocks() || int(wanted.Count()) != len(want)-len(zero) {
			t.Fatalf("round %d: %d of %d wanted, %d zero", round, wanted.Count(), wanted.Len(), len(zero))
		}
		for i := range want {
			if got := l.Slices(nil, Index(i)); !slices.Equal(got, want[i]) {
				t.Fatalf("round %d, block %d: %+v, want %+v", round, i, got, want[i])
			}
			if wanted.Has(Index(i)) == zero[i] {
				t.Fatalf("round %d, block %d: wanted %v, zero %v", round, i, wanted.Has(Index(i)), zero[i])
			}
		}
		checkCoverage(t, m, l, blockSize)
	}
}

func TestLayoutPacksNextFit(t *testing.T) {
	const b = MinBlockSize
	m := &Manifest{Name: "p", Entries: []Entry{{Kind: Dir}}}
	for i, size := range []uint64{b / 2, b/2 + 1, 10, b, 1, 3 * b, 2, b + 1} {
		m.Entries = append(m.Entries, Entry{Kind: File, Path: string(rune('a' + i)), Size: size, Root: Root{byte(i), 1}})
	}
	l, err := NewLayout(m, b, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Slice{
		nil, nil, // the Manifest
		{{6, 0, b}}, {{6, b, b}}, {{6, 2 * b, b}}, {{8, 0, b}}, {{8, b, 1}}, // f, h
		{{1, 0, b / 2}},               // b doesn't fit
		{{2, 0, b/2 + 1}, {3, 0, 10}}, // d doesn't fit
		{{4, 0, b}},                   // full
		{{5, 0, 1}, {7, 0, 2}},        // e, g: room in earlier ones is not looked at
	}
	var got [][]Slice
	for i := range Index(l.Blocks()) {
		got = append(got, l.Slices(nil, i))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if want := []Large{{6, 2, 3}, {8, 5, 2}}; !slices.Equal(l.Larges(), want) {
		t.Errorf("larges %v", l.Larges())
	}
	if got := l.Slices([]Slice{{9, 9, 9}}, 7); !slices.Equal(got, []Slice{{9, 9, 9}, {1, 0, b / 2}}) {
		t.Errorf("not appended: %v", got)
	}
}

func TestLayoutOutside(t *testing.T) {
	m := mixedManifest()
	l, err := NewLayout(m, MinBlockSize, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []Index{0, Index(l.Blocks()), 1<<32 - 1} {
		if _, _, ok := l.LargeOf(i); ok || l.Len(i) != 0 || l.Slices(nil, i) != nil {
			t.Errorf("block %d is content", i)
		}
	}
	for _, e := range []int{-1, 0, len(m.Entries), 1 << 40} {
		if l.Original(e) != -1 || l.SpanOf(e) != (Span{}) {
			t.Errorf("entry %d has bytes", e)
		}
	}
	l.Wanted().Clear(0)
	if !l.Wanted().Has(0) {
		t.Error("Wanted is not a fresh copy")
	}
}

func TestLayoutAgreesWithItsHeader(t *testing.T) {
	l, err := NewLayout(mixedManifest(), MinBlockSize, 1)
	if err != nil {
		t.Fatal(err)
	}
	good := Header{BlockSize: MinBlockSize, Blocks: l.Blocks(), ManifestSize: 400}
	if err := l.Agrees(good); err != nil || l.Blocks() != 1+7+1 {
		t.Fatalf("%d blocks: %v", l.Blocks(), err)
	}
	for name, change := range map[string]func(h *Header){
		"block size": func(h *Header) { h.BlockSize *= 2 },
		"blocks":     func(h *Header) { h.Blocks++ },
		"manifest":   func(h *Header) { h.ManifestSize = MinBlockSize + 1 },
	} {
		h := good
		change(&h)
		if err := l.Agrees(h); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayoutRefusesMoreThanMaxBlocks(t *testing.T) {
	const b = MinBlockSize
	file := func(path string, blocks uint64) Entry {
		return Entry{Kind: File, Path: path, Size: blocks * b, Root: Root{path[0]}}
	}
	for _, c := range []struct {
		name     string
		manifest uint32
		files    []Entry
		at       string // the path that is one too many; empty: accepted
	}{
		{"just fits", 3, []Entry{file("a", MaxBlocks-5), file("b", 2)}, ""},
		{"large", 3, []Entry{file("a", MaxBlocks-5), file("b", 3)}, `"b"`},
		{"packed fits", 3, []Entry{file("a", MaxBlocks-4), file("b", 1)}, ""},
		{"packed", 3, []Entry{file("a", MaxBlocks-4), file("b", 1), file("c", 1)}, `"c"`},
		{"one file", 0, []Entry{file("a", MaxBlocks)}, ""},
		{"one file and the manifest", 1, []Entry{file("a", MaxBlocks)}, `"a"`},
		{"sums overflow", 1, []Entry{file("a", 1<<50-1), file("b", 1<<50-1)}, `"a"`},
		{"manifest alone", MaxBlocks + 1, nil, "manifest of"},
		{"manifest at its limit", MaxBlocks, nil, ""},
	} {
		m := &Manifest{Name: "n", Entries: append([]Entry{{Kind: Dir}}, c.files...)}
		l, err := NewLayout(m, b, c.manifest)
		switch {
		case c.at == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.at != "" && (l != nil || !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.at)):
			t.Errorf("%s: %v, %v", c.name, l, err)
		}
	}
	for _, size := range []uint32{0, 3 << 14, MaxBlockSize * 2} {
		if _, err := NewLayout(&Manifest{}, size, 0); !errors.Is(err, ErrManifest) {
			t.Errorf("block size %d: %v", size, err)
		}
	}
}

// Roots that agree in all but one bit are different files.
func TestOriginalsCompareWholeRoots(t *testing.T) {
	var entries []Entry
	for bit := range 256 {
		e := Entry{Kind: File, Size: 1}
		e.Root[bit/8] ^= 1 << (bit % 8)
		entries = append(entries, e)
	}
	entries = append(entries, entries...)
	for i, o := range originals(entries) {
		if int(o) != i%256 {
			t.Fatalf("original of %d is %d", i, o)
		}
	}
	if o := originals(nil); len(o) != 0 {
		t.Errorf("originals of nothing: %v", o)
	}
}
