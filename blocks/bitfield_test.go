package blocks

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// dumbSet is the Bitfield that nobody can get wrong.
type dumbSet struct {
	n  uint32
	in map[Index]bool
}

func (d dumbSet) wire() []byte {
	b := make([]byte, (d.n+7)/8)
	for i := range d.in {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}

func (d dumbSet) count(s Span) (n uint32) {
	for i := range d.in {
		if uint64(i) >= uint64(s.First) && uint64(i) < uint64(s.First)+uint64(s.Count) {
			n++
		}
	}
	return n
}

func (d dumbSet) spans() (spans []Span) {
	for _, i := range slices.Sorted(maps.Keys(d.in)) {
		if k := len(spans) - 1; k >= 0 && spans[k].First+spans[k].Count == uint32(i) {
			spans[k].Count++
			continue
		}
		spans = append(spans, Span{First: uint32(i), Count: 1})
	}
	return spans
}

func (d dumbSet) next(i Index) (Index, bool) {
	for ; uint32(i) < d.n; i++ {
		if d.in[i] {
			return i, true
		}
	}
	return 0, false
}

// compare fails unless f and d agree in everything that f can be asked.
func (d dumbSet) compare(t *testing.T, f *Bitfield, s Span) {
	t.Helper()
	if f.Len() != d.n || f.Count() != uint32(len(d.in)) {
		t.Fatalf("Len %d Count %d, want %d %d", f.Len(), f.Count(), d.n, len(d.in))
	}
	if got, want := f.Append([]byte("x")), append([]byte("x"), d.wire()...); !bytes.Equal(got, want) {
		t.Fatalf("Append = %x, want %x", got, want)
	}
	if back, err := ParseBitfield(d.n, d.wire()); err != nil || !back.Equal(f) || !f.Equal(back) {
		t.Fatalf("ParseBitfield of the wire form: %v, or not equal", err)
	}
	if got := f.Spans(); !slices.Equal(got, d.spans()) {
		t.Fatalf("Spans = %v, want %v", got, d.spans())
	}
	if got, want := f.CountIn(s), d.count(s); got != want || f.AnyIn(s) != (want > 0) {
		t.Fatalf("CountIn(%v) = %d, AnyIn %v, want %d", s, got, f.AnyIn(s), want)
	}
	i, ok := f.Next(Index(s.First))
	if wi, wok := d.next(Index(s.First)); i != wi || ok != wok {
		t.Fatalf("Next(%d) = %d %v, want %d %v", s.First, i, ok, wi, wok)
	}
	if f.Has(Index(s.First)) != d.in[Index(s.First)] {
		t.Fatalf("Has(%d) = %v", s.First, !d.in[Index(s.First)])
	}
	words := f.Words()
	for i := range d.n {
		if words[i/64]>>(i%64)&1 == 1 != d.in[Index(i)] {
			t.Fatalf("Words disagree at %d", i)
		}
	}
}

func TestBitfieldAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []uint32{0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 200, 257} {
		f, d := NewBitfield(n), dumbSet{n: n, in: map[Index]bool{}}
		for range 150 {
			i := Index(rng.Uint32N(n + 3))
			s := Span{First: rng.Uint32N(n + 3), Count: rng.Uint32N(n/2 + 3)}
			if rng.Uint32N(8) == 0 {
				s.Count = ^uint32(0)
			}
			inside := uint32(i) < n
			switch rng.Uint32N(6) {
			case 0, 1:
				if f.Set(i) != (inside && !d.in[i]) {
					t.Fatalf("Set(%d) of %d", i, n)
				}
				if inside {
					d.in[i] = true
				}
			case 2:
				if f.Clear(i) != d.in[i] {
					t.Fatalf("Clear(%d) of %d", i, n)
				}
				delete(d.in, i)
			case 3:
				f.SetSpan(s)
				for k := uint64(s.First); k < min(uint64(s.First)+uint64(s.Count), uint64(n)); k++ {
					d.in[Index(k)] = true
				}
			case 4:
				f.ClearSpan(s)
				for k := uint64(s.First); k < min(uint64(s.First)+uint64(s.Count), uint64(n)); k++ {
					delete(d.in, Index(k))
				}
			case 5:
				g := f.Clone()
				if !g.Equal(f) || !f.Equal(g) {
					t.Fatal("a clone differs")
				}
				if g.Set(i) && (g.Equal(f) || f.Equal(g) || f.Has(i)) {
					t.Fatal("a clone shares, or a larger set is equal")
				}
			}
			d.compare(t, f, s)
		}
	}
}

func TestBitfieldsOfDifferentLength(t *testing.T) {
	short, long := NewBitfield(64), NewBitfield(200)
	short.Set(5)
	long.Set(5)
	if short.Equal(long) || long.Equal(short) {
		t.Error("sets with the same member: equal though one is longer")
	}
}

func TestParseBitfieldRefuses(t *testing.T) {
	for _, c := range []struct {
		n uint32
		b []byte
	}{
		{0, []byte{0}},
		{1, nil},
		{8, []byte{0, 0}},
		{9, []byte{0}},
		{9, []byte{0, 0x40}}, // padding
		{^uint32(0), []byte{0xff}},
	} {
		if f, err := ParseBitfield(c.n, c.b); err == nil {
			t.Errorf("ParseBitfield(%d, %x) = %v", c.n, c.b, f.Spans())
		}
	}
}

func FuzzParseBitfield(f *testing.F) {
	f.Add(uint32(0), []byte{})
	f.Add(uint32(9), []byte{0xa5, 0x80})
	f.Add(uint32(9), []byte{0xa5, 0x40})
	f.Add(uint32(130), bytes.Repeat([]byte{0xff}, 17))
	f.Fuzz(func(t *testing.T, n uint32, b []byte) {
		field, err := ParseBitfield(n, b)
		if err != nil {
			return
		}
		if !bytes.Equal(field.Append(nil), b) {
			t.Fatalf("%d bits %x are written as %x", n, b, field.Append(nil))
		}
		again := NewBitfield(n)
		for _, s := range field.Spans() {
			again.SetSpan(s)
		}
		if !again.Equal(field) {
			t.Fatalf("%d bits %x aren't what their Spans say", n, b)
		}
	})
}

func BenchmarkBitfieldAnyIn(b *testing.B) {
	f := NewBitfield(1 << 20)
	for b.Loop() {
		if f.AnyIn(Span{First: 3, Count: 1 << 20}) {
			b.Fatal("found in an empty set")
		}
	}
}
