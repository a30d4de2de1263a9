package blocks

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// bigManifest has n small files in directories of 1000.
func bigManifest(n int) *Manifest {
	m := &Manifest{Name: "many", Entries: []Entry{{Kind: Dir}}}
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range n {
		dir := fmt.Sprintf("directory-%04d", i/1000)
		if i%1000 == 0 {
			m.Entries = append(m.Entries, Entry{Kind: Dir, Path: dir})
		}
		e := Entry{Kind: File, Path: fmt.Sprintf("%s/some-file-%03d.dat", dir, i%1000), Size: 1 + rng.Uint64N(20_000)}
		binary.BigEndian.PutUint64(e.Root[:], rng.Uint64())
		m.Entries = append(m.Entries, e)
	}
	return m
}

func BenchmarkParseManifest(b *testing.B) {
	m := bigManifest(100_000)
	raw := m.Append(nil)
	h := headerOf(m, 64<<10, raw)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseManifest(h, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewLayout(b *testing.B) {
	m := bigManifest(100_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewLayout(m, 64<<10, 100); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSlices(b *testing.B) {
	m := bigManifest(100_000)
	l, err := NewLayout(m, 64<<10, 100)
	if err != nil {
		b.Fatal(err)
	}
	var dst []Slice
	i := Index(0)
	for b.Loop() {
		dst = l.Slices(dst[:0], i)
		i = (i + 7919) % Index(l.Blocks())
	}
}
