package blocks

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// put makes a sample the target, by a get.
func (s *sample) put(t *testing.T, target string) {
	t.Helper()
	startGet(t, s, StoreConfig{Target: target}).finish()
}

// changed is a copy of files with some replaced.
func changed(files, with map[string][]byte) map[string][]byte {
	files = maps.Clone(files)
	maps.Copy(files, with)
	return files
}

// mustLack checks what is left to fetch besides the Manifest: exactly these Blocks.
func (g *get) mustLack(want ...Index) {
	g.t.Helper()
	lacks := NewBitfield(g.c.Header().Blocks)
	for _, i := range g.lacking(rand.New(rand.NewPCG(1, 1))) {
		lacks.Set(i)
	}
	set := NewBitfield(g.c.Header().Blocks)
	for _, i := range want {
		set.Set(i)
	}
	if !lacks.Equal(set) {
		g.t.Errorf("lacks %v, want %v", lacks.Spans(), set.Spans())
	}
}

func TestReuseOfALargeFile(t *testing.T) {
	const b = MinBlockSize
	base := zeroed(noise(20*b+500, 1), 7)
	mutate := func(do func(p []byte) []byte) []byte { return do(bytes.Clone(base)) }
	tests := []struct {
		name  string
		old   []byte
		lacks []int
		asks  bool
	}{
		{"equal", base, nil, false},
		{"one byte", mutate(func(p []byte) []byte { p[5*b+3]++; return p }), []int{5}, true},
		{"tail", mutate(func(p []byte) []byte { p[len(p)-1]++; return p }), []int{20}, true},
		{"longer", mutate(func(p []byte) []byte { return append(p, noise(3*b, 5)...) }), nil, true},
		{"shorter", mutate(func(p []byte) []byte { return p[:18*b+1] }), []int{18, 19, 20}, true},
		{"appended to a short tail", mutate(func(p []byte) []byte { return p[:20*b+3] }), []int{20}, true},
		{"one block", mutate(func(p []byte) []byte { return p[:b] }), append(seq(1, 7), seq(8, 21)...), true},
		{"zeros were bytes", mutate(func(p []byte) []byte { copy(p[7*b:], noise(b, 3)); return p }), nil, true},
		{"shifted", mutate(func(p []byte) []byte { return append([]byte{1}, p...) }), append(seq(0, 7), seq(8, 21)...), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			if err := os.WriteFile(target, test.old, 0o600); err != nil {
				t.Fatal(err)
			}
			from := singleSample(t, base)
			g := startGet(t, from, StoreConfig{Target: target})
			var want []Index
			for _, k := range test.lacks {
				want = append(want, Index(g.c.Header().ManifestBlocks())+Index(k))
			}
			g.mustLack(want...)
			if (len(g.trees.asked) > 0) != test.asks {
				t.Errorf("asked for the nodes of %v", g.trees.asked)
			}
			if b, err := os.ReadFile(target); err != nil || !bytes.Equal(b, test.old) {
				t.Errorf("the old target was changed: %v", err)
			}
			g.finish()
			from.mustEqual(t, target, 0)
			mustBeClean(t, dir, "target")
		})
	}
}

func TestReuseWithoutNodes(t *testing.T) {
	base := noise(4*MinBlockSize, 1)
	target := filepath.Join(t.TempDir(), "target")
	old := bytes.Clone(base)
	old[0]++
	if err := os.WriteFile(target, old, 0o600); err != nil {
		t.Fatal(err)
	}
	from := singleSample(t, base)
	s := openGet(t, from, StoreConfig{Target: target}).s
	var lacks atomic.Int32
	has := func(i Index) { t.Errorf("block %d is held", i) }
	if err := s.Check(t.Context(), &treesOf{fail: true}, has, func(Index) { lacks.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if lacks.Load() != 4 {
		t.Errorf("%d blocks lack", lacks.Load())
	}
}

func TestReuseOfADirectory(t *testing.T) {
	// Sizes differ, so that a changed file isn't hashed in vain for another's sake.
	files := map[string][]byte{
		"large1": noise(5*MinBlockSize, 1), "large2": noise(6*MinBlockSize+1, 2), "large3": noise(4*MinBlockSize+9, 3),
		"a": noise(9000, 4), "b": noise(7000, 5), "c": noise(9001, 6), "d": noise(7001, 7), "sub/e": noise(16000, 8), "empty": {},
	}
	old := sampleOf(t, files, []string{"dir"}, map[string]string{"link": "a"})
	one := func(name string) map[string][]byte {
		b := bytes.Clone(files[name])
		b[len(b)/2]++
		return changed(files, map[string][]byte{name: b})
	}
	moved := maps.Clone(files)
	for from, to := range map[string]string{"large1": "sub/x/large1", "large2": "large1", "a": "z", "sub/e": "e"} {
		delete(moved, from)
		moved[to] = files[from]
	}
	doubled := changed(files, map[string][]byte{"again": files["large3"], "again too": files["a"]})
	tests := map[string]struct {
		files map[string][]byte
		lacks func(c *Content) []Index
		asks  int
	}{
		"same":   {files, func(*Content) []Index { return nil }, 0},
		"moved":  {moved, func(*Content) []Index { return nil }, 0},
		"copied": {doubled, func(*Content) []Index { return nil }, 0},
		"one small file": {one("c"), func(c *Content) []Index {
			return []Index{Index(c.Layout().SpanOf(entryOf(c, "c")).First)}
		}, 0},
		"one large file": {one("large2"), func(c *Content) []Index {
			return []Index{Index(c.Layout().SpanOf(entryOf(c, "large2")).First) + 3}
		}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			old.put(t, target)
			from := sampleOf(t, test.files, []string{"new dir"}, map[string]string{"link": "b"})
			g := startGet(t, from, StoreConfig{Target: target})
			g.mustLack(test.lacks(g.c)...)
			if len(g.trees.asked) != test.asks {
				t.Errorf("asked for the nodes of %v", g.trees.asked)
			}
			old.mustEqual(t, target, 0)
			g.finish()
			from.mustEqual(t, target, 0)
			mustBeClean(t, dir, "target")
		})
	}
}

func TestReuseAcrossKinds(t *testing.T) {
	b := noise(6*MinBlockSize+7, 3)
	dirSample := sampleOf(t, map[string][]byte{"in/side": b, "other": noise(10, 1)}, nil, nil)
	single := singleSample(t, b)
	target := filepath.Join(t.TempDir(), "target")
	dirSample.put(t, target)
	g := startGet(t, single, StoreConfig{Target: target})
	g.mustLack()
	g.finish()
	single.mustEqual(t, target, 0)
	g = startGet(t, dirSample, StoreConfig{Target: target})
	g.mustLack(Index(g.c.Layout().SpanOf(entryOf(g.c, "other")).First))
	g.finish()
	dirSample.mustEqual(t, target, 0)
}

func TestReuseOfAnOlderPartial(t *testing.T) {
	files := map[string][]byte{"large": noise(8*MinBlockSize, 1), "small": noise(5000, 2), "sub/s": noise(12000, 3)}
	old := sampleOf(t, files, nil, nil)
	large := bytes.Clone(files["large"])
	large[0]++
	from := sampleOf(t, changed(files, map[string][]byte{"large": large}), nil, nil)
	dir := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(dir, "target")}
	g := startGet(t, old, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	crash(t, g.s)
	g = startGet(t, from, cfg)
	g.mustLack(Index(g.c.Layout().SpanOf(entryOf(g.c, "large")).First))
	if _, err := os.Lstat(filepath.Join(dir, ".target.p2pcp", oldName)); err == nil {
		t.Error("the older partial stays after it was checked")
	}
	crash(t, g.s)
	g = startGet(t, old, cfg) // and back again
	g.mustLack(Index(g.c.Layout().SpanOf(entryOf(g.c, "large")).First))
	g.finish()
	old.mustEqual(t, cfg.Target, 0)
	mustBeClean(t, dir, "target")
}

func TestOlderPartialSurvivesAnInterruptedCheck(t *testing.T) {
	files := map[string][]byte{"large": noise(8*MinBlockSize, 1), "small": noise(5000, 2)}
	old := sampleOf(t, files, nil, nil)
	from := sampleOf(t, changed(files, map[string][]byte{"more": noise(3*MinBlockSize, 9)}), nil, nil)
	cfg := StoreConfig{Target: filepath.Join(t.TempDir(), "target")}
	g := startGet(t, old, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	g.s.Close()
	for range 2 { // opened, but never checked
		openGet(t, from, cfg).s.Close()
	}
	g = startGet(t, from, cfg)
	span := g.c.Layout().SpanOf(entryOf(g.c, "more"))
	g.mustLack(Index(span.First), Index(span.First+1), Index(span.First+2))
}
