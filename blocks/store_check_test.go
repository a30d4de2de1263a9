package blocks

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func TestCandidatesAreRegularFilesOnly(t *testing.T) {
	b := noise(5*MinBlockSize, 1)
	base := t.TempDir()
	elsewhere := filepath.Join(base, "elsewhere")
	if err := os.WriteFile(elsewhere, b, 0o600); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(base, "target")
	mkdirMode(t, target, 0o755)
	for name, to := range map[string]string{"large": elsewhere, "inner": "large", "sub": base} {
		if err := os.Symlink(to, filepath.Join(target, name)); err != nil {
			t.Fatal(err)
		}
	}
	from := sampleOf(t, map[string][]byte{"large": b}, nil, nil)
	g := startGet(t, from, StoreConfig{Target: target})
	if g.s.Claims().Count() != 0 {
		t.Error("a symlink is followed")
	}
	g.finish()
	from.mustEqual(t, target, 0)
	if got, err := os.ReadFile(elsewhere); err != nil || !bytes.Equal(got, b) {
		t.Error("what a link pointed to was touched")
	}
}

// TestContentFollowsNoPlantedLinks puts links where an earlier run has left files and directories.
func TestContentFollowsNoPlantedLinks(t *testing.T) {
	from := richSample(t)
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	mkdirMode(t, outside, 0o755)
	cfg := StoreConfig{Target: filepath.Join(base, "target")}
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	crash(t, g.s)
	content := filepath.Join(base, ".target.p2pcp", contentName)
	for name, to := range map[string]string{"sub": outside, "big": filepath.Join(outside, "big"), "one": filepath.Join(outside, "one"), "block": "zeros"} {
		if err := os.RemoveAll(filepath.Join(content, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(content, name)); err != nil {
			t.Fatal(err)
		}
	}
	startGet(t, from, cfg).finish()
	from.mustEqual(t, cfg.Target, 0)
	mustBeClean(t, outside)
}

func TestOpenPlaced(t *testing.T) {
	for name, from := range map[string]*sample{"dir": richSample(t), "file": singleSample(t, noise(70_000, 1)), "small": singleSample(t, noise(70, 1))} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			from.put(t, target)
			open := func() *get {
				g := &get{t: t, from: from, c: from.receiver(t)}
				var err error
				if g.s, err = OpenPlaced(g.c, target); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { g.s.Close() })
				i := Index(g.c.Header().ManifestBlocks())
				if err := g.s.ReadBlock(i, 0, make([]byte, 1)); err == nil {
					t.Error("an unchecked block is read")
				}
				g.check()
				return g
			}
			g := open()
			g.mustLack()
			if len(g.trees.asked) != 0 {
				t.Errorf("asked for the nodes of %v", g.trees.asked)
			}
			file, path := target, ""
			if name == "dir" {
				file, path = filepath.Join(target, "big"), "big"
			}
			flipByte(t, file, 33)
			g = open()
			g.mustLack(Index(g.c.Layout().SpanOf(entryOf(g.c, path)).First))
			mustBeClean(t, dir, "target")
		})
	}
	if _, err := OpenPlaced(richSample(t).receiver(t), filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent target is opened")
	}
}

func TestCheckCountsHashedBytes(t *testing.T) {
	b := noise(10*MinBlockSize, 1)
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var top atomic.Uint64
	startGet(t, singleSample(t, b), StoreConfig{Target: target, Progress: func(n uint64) {
		for was := top.Load(); n > was && !top.CompareAndSwap(was, n); was = top.Load() {
		}
	}})
	if top.Load() < uint64(len(b)) {
		t.Errorf("%d bytes told of %d", top.Load(), len(b))
	}
}

// TestBlockThatComesDuringCheck: a seed sends Blocks unasked, claimed ones too. What was written is held, whatever Check saw of
// the file before.
func TestBlockThatComesDuringCheck(t *testing.T) {
	b := noise(4*MinBlockSize, 1)
	target := filepath.Join(t.TempDir(), "target")
	old := bytes.Clone(b)
	old[0]++
	if err := os.WriteFile(target, old, 0o600); err != nil {
		t.Fatal(err)
	}
	from := singleSample(t, b)
	g := openGet(t, from, StoreConfig{Target: target})
	first := Index(g.c.Header().ManifestBlocks())
	if !g.s.Claims().Has(first) {
		t.Fatal("no claim")
	}
	g.fetch(first)
	g.check()
	if g.lacked.Count() != 0 {
		t.Errorf("lacks %v", g.lacked.Spans())
	}
	g.finish()
	from.mustEqual(t, target, 0)
}
