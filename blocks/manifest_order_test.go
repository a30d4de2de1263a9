package blocks

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A dumb comparator: component by component.
func TestComparePathsIsTheOrderOfComponents(t *testing.T) {
	dumb := func(a, b string) int {
		split := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, "/")
		}
		return slices.Compare(split(a), split(b))
	}
	rng := rand.New(rand.NewPCG(3, 4))
	random := func() string {
		var names []string
		for range rng.IntN(4) {
			name := make([]byte, 1+rng.IntN(3))
			for i := range name {
				name[i] = "\x01!.0a\xff"[rng.IntN(6)]
			}
			names = append(names, string(name))
		}
		return strings.Join(names, "/")
	}
	for range 20_000 {
		a, b := random(), random()
		if got, want := ComparePaths(a, b), dumb(a, b); got != want {
			t.Fatalf("%q, %q: %d, want %d", a, b, got, want)
		}
		if ComparePaths(a, b) != -ComparePaths(b, a) {
			t.Fatalf("%q, %q: not antisymmetric", a, b)
		}
	}
}

func TestSortMakesManifestOrder(t *testing.T) {
	m := mixedManifest()
	want := slices.Clone(m.Entries)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		rng.Shuffle(len(m.Entries), func(i, j int) { m.Entries[i], m.Entries[j] = m.Entries[j], m.Entries[i] })
		m.Sort()
		if !reflect.DeepEqual(m.Entries, want) {
			t.Fatalf("got %+v", m.Entries)
		}
	}
	if err := m.Check(MinBlockSize, true); err != nil {
		t.Error(err)
	}
}
