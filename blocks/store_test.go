package blocks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// randomSample is a directory of up to 25 files of sizes around the borders.
func randomSample(t testing.TB, rnd *rand.Rand) *sample {
	sizes := []int{0, 1, 1023, 1024, 4000, MinBlockSize - 1, MinBlockSize, MinBlockSize + 1, 3 * MinBlockSize, 5*MinBlockSize + 5}
	files := map[string][]byte{}
	for n := range 1 + rnd.IntN(25) {
		p := fmt.Sprintf("f%d", n)
		for range rnd.IntN(3) {
			p = fmt.Sprintf("d%d/%s", rnd.IntN(3), p)
		}
		size := sizes[rnd.IntN(len(sizes))]
		files[p] = noise(size, byte(rnd.IntN(12))) // few seeds: some are equal
		if size > MinBlockSize && rnd.IntN(2) == 0 {
			zeroed(files[p], rnd.IntN((size-1)/MinBlockSize+1))
		}
	}
	return sampleOf(t, files, []string{"empty dir"}, map[string]string{"zlink": "f0"})
}

func TestReceiveAndPlace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	samples := map[string]*sample{
		"rich":          richSample(t),
		"single":        singleSample(t, noise(5*MinBlockSize+3, 8)),
		"single small":  singleSample(t, noise(300, 8)),
		"single empty":  singleSample(t, nil),
		"single zeros":  singleSample(t, make([]byte, 3*MinBlockSize)),
		"one block":     singleSample(t, noise(MinBlockSize, 9)),
		"no files":      sampleOf(t, nil, []string{"d"}, nil),
		"empty content": sampleOf(t, nil, nil, nil),
	}
	for n := range 6 {
		samples[fmt.Sprintf("random %d", n)] = randomSample(t, rnd)
	}
	for name, from := range samples {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			g := startGet(t, from, StoreConfig{Target: target, Umask: 0o027, Fsync: len(name)%2 == 0})
			if g.s.Claims().Count() != 0 {
				t.Error("claims in an empty directory")
			}
			g.finish()
			from.mustEqual(t, target, 0o027)
			mustBeClean(t, dir, "target")
		})
	}
}

func TestStoreModesWhileReceiving(t *testing.T) {
	dir := t.TempDir()
	g := startGet(t, richSample(t), StoreConfig{Target: filepath.Join(dir, "target")})
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	err := filepath.WalkDir(filepath.Join(dir, ".target.p2pcp"), func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", p, fi.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestHolesStayHoles(t *testing.T) {
	const n = 64
	b := noise(n*MinBlockSize, 3)
	for k := range n {
		if k%16 != 0 {
			zeroed(b, k)
		}
	}
	from := sampleOf(t, map[string][]byte{"a": b, "b": b}, nil, nil)
	target := filepath.Join(t.TempDir(), "target")
	startGet(t, from, StoreConfig{Target: target}).finish()
	from.mustEqual(t, target, 0)
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(probe, 1<<20); err != nil {
		t.Fatal(err)
	}
	if blocksOnDisk(t, probe) != 0 {
		t.Skip("this file system has no holes")
	}
	for _, name := range []string{"a", "b"} {
		if got, limit := blocksOnDisk(t, filepath.Join(target, name)), uint64(6*MinBlockSize); got > limit {
			t.Errorf("%s takes %d bytes, want at most %d", name, got, limit)
		}
	}
}

func blocksOnDisk(t *testing.T, name string) uint64 {
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return allocated(fi)
}

func TestResumeAsksOnlyForWhatIsLacking(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 8 {
		from := randomSample(t, rnd)
		if n == 0 {
			from = richSample(t)
		}
		dir := t.TempDir()
		cfg := StoreConfig{Target: filepath.Join(dir, "target")}
		total, wrote := 0, 0
		for runs := 0; ; runs++ {
			g := startGet(t, from, cfg)
			if g.lacked.Count() != 0 || int(g.had.Count()) != wrote {
				t.Fatalf("run %d: had %d, lacked %d, %d were written", runs, g.had.Count(), g.lacked.Count(), wrote)
			}
			if len(g.trees.asked) != 0 {
				t.Errorf("asked for nodes that the journal has")
			}
			list := g.lacking(rnd)
			if runs == 0 {
				total = len(list)
			}
			if len(list) != total-wrote {
				t.Fatalf("%d lacking of %d, %d were written", len(list), total, wrote)
			}
			if runs < 4 && len(list) > 1 {
				part := list[:rnd.IntN(len(list))]
				g.fetch(part...)
				wrote += len(part)
				crash(t, g.s)
				continue
			}
			g.finish()
			break
		}
		from.mustEqual(t, cfg.Target, 0)
		mustBeClean(t, dir, "target")
	}
}

// crash drops a Store as a killed process does: descriptors go, nothing else happens.
func crash(t testing.TB, s *Store) {
	t.Helper()
	s.io.Lock()
	s.phase = closed
	s.io.Unlock()
	s.closeFiles()
	s.lock.closePartial()
	s.lock.parent.Close()
}

// TestResumeInPlace crashes at the end, between the steps of Place.
func TestResumeInPlace(t *testing.T) {
	from := richSample(t)
	for steps := range 6 {
		dir := t.TempDir()
		cfg := StoreConfig{Target: filepath.Join(dir, "target")}
		g := startGet(t, from, cfg)
		g.fetch(g.lacking(rand.New(rand.NewPCG(1, 2)))...)
		if err := g.s.readyToPlace(); err != nil {
			t.Fatal(err)
		}
		p := placer{store: g.s, entries: g.c.Manifest().Entries, layout: g.c.Layout()}
		for _, step := range []func(context.Context) error{p.unlock, p.complete, p.links, p.files, p.dirs}[:min(steps, 5)] {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		crash(t, g.s)
		again := startGet(t, from, cfg)
		if left := again.lacking(rand.New(rand.NewPCG(1, 2))); len(left) != 0 {
			t.Errorf("after %d steps: %d blocks are lacking", steps, len(left))
		}
		again.finish()
		from.mustEqual(t, cfg.Target, 0)
		mustBeClean(t, dir, "target")
	}
}

func TestReadBlockSlices(t *testing.T) {
	from := richSample(t)
	g := startGet(t, from, StoreConfig{Target: filepath.Join(t.TempDir(), "target")})
	g.fetch(g.lacking(rand.New(rand.NewPCG(5, 5)))...)
	rnd := rand.New(rand.NewPCG(8, 8))
	have := g.have()
	for i, ok := have.Next(Index(g.c.Header().ManifestBlocks())); ok; i, ok = have.Next(i + 1) {
		want := from.block(i)
		for range 10 {
			a := rnd.IntN(len(want) + 1)
			b := a + rnd.IntN(len(want)+1-a)
			got := make([]byte, b-a)
			if err := g.s.ReadBlock(i, uint32(a), got); err != nil || !bytes.Equal(got, want[a:b]) {
				t.Fatalf("block %d [%d:%d]: %v", i, a, b, err)
			}
		}
		if err := g.s.ReadBlock(i, 1, make([]byte, len(want))); err == nil {
			t.Errorf("block %d is read past its end", i)
		}
	}
	manifest := make([]byte, 10)
	if err := g.s.ReadBlock(0, 3, manifest); err != nil || !bytes.Equal(manifest, from.content.ManifestBytes()[3:13]) {
		t.Errorf("manifest block: %v", err)
	}
	if err := g.s.ReadBlock(Index(g.c.Header().Blocks), 0, manifest); err == nil {
		t.Error("a block outside is read")
	}
}

func TestWriteErrorMarksNothing(t *testing.T) {
	from := sampleOf(t, map[string][]byte{"a": noise(100, 1), "b/c": noise(100, 2)}, nil, nil)
	dir := t.TempDir()
	g := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")})
	if err := os.Remove(filepath.Join(dir, ".target.p2pcp", "content", "b")); err != nil {
		t.Fatal(err)
	}
	i := g.lacking(rand.New(rand.NewPCG(1, 1)))[0]
	err := g.s.WriteBlock(i, from.block(i))
	var at *os.PathError
	if !errors.As(err, &at) || at.Path != "b/c" {
		t.Errorf("error %v names no path", err)
	}
	if g.have().Has(i) {
		t.Error("a block that wasn't written is held")
	}
	if err := g.s.WriteBlock(i, from.block(i)[1:]); err == nil {
		t.Error("a short block is written")
	}
}

func seq(from, to int) (list []int) {
	for n := from; n < to; n++ {
		list = append(list, n)
	}
	return list
}
