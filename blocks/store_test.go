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

func TestLoadManifestOfAnInterruptedGet(t *testing.T) {
	from := richSample(t)
	cfg := StoreConfig{Target: filepath.Join(t.TempDir(), "target")}
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 2)))[0])
	g.s.Close()
	l, err := LockTarget(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	c := NewContent(from.content.Header())
	if !l.LoadManifest(c) || !c.ManifestComplete() {
		t.Error("the journal's manifest isn't taken")
	}
	other := NewContent(singleSample(t, []byte("other")).content.Header())
	if l.LoadManifest(other) {
		t.Error("another content's manifest is taken")
	}
}

func TestJournalIsNeverBelieved(t *testing.T) {
	from := richSample(t)
	base := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(base, "target")}
	g := startGet(t, from, cfg)
	list := g.lacking(rand.New(rand.NewPCG(5, 5)))
	g.fetch(list[:len(list)/2]...)
	j := g.s.journal
	sections := []int64{0, 4, 8, 40, journalHead, j.bitsAt - 1, j.bitsAt, j.bitsAt + 1, j.nodesAt[0], j.nodesAt[1], j.size() - 1, j.size()}
	crash(t, g.s)
	name := filepath.Join(base, ".target.p2pcp", journalName)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(6, 6))
	var broken [][]byte
	for _, at := range sections {
		broken = append(broken, whole[:at]) // torn
		flipped := bytes.Clone(whole)
		flipped[min(at, j.size()-1)] ^= 1 << rnd.IntN(8)
		broken = append(broken, flipped, append(bytes.Clone(whole[:at]), noise(len(whole)-int(at), 9)...))
	}
	all := bytes.Clone(whole)
	for i := range len(j.bits) {
		all[int(j.bitsAt)+i] = 0xff
	}
	broken = append(broken, all, append(bytes.Clone(whole), 1, 2, 3), noise(500, 1))
	for n, b := range broken {
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, ".target.p2pcp"), os.DirFS(filepath.Join(base, ".target.p2pcp"))); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, ".target.p2pcp"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".target.p2pcp", journalName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		again := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")}) // checks each has
		again.finish()
		from.mustEqual(t, filepath.Join(dir, "target"), 0)
		mustBeClean(t, dir, "target")
		if n == 0 && again.written == 0 {
			t.Error("nothing was lacking")
		}
	}
}

func TestDamagedContentLacks(t *testing.T) {
	from := richSample(t)
	dir := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(dir, "target")}
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(5, 5)))...)
	big := filepath.Join(dir, ".target.p2pcp", "content", "big")
	flipByte(t, big, 2*MinBlockSize+9)
	flipByte(t, big, 3*MinBlockSize+9) // in a zero range
	span := g.c.Layout().SpanOf(entryOf(g.c, "big"))
	hurt := Index(span.First + 2)
	buf := make([]byte, MinBlockSize)
	if err := g.s.ReadBlock(hurt, 0, buf); err != nil {
		t.Fatal(err)
	}
	if g.c.Check(hurt, buf) {
		t.Fatal("a flipped byte passes")
	}
	crash(t, g.s)
	again := startGet(t, from, cfg)
	if again.lacked.Count() != 1 || !again.lacked.Has(hurt) {
		t.Errorf("lacked %v, want block %d", again.lacked.Spans(), hurt)
	}
	again.finish()
	from.mustEqual(t, cfg.Target, 0)
}

func TestForgottenBlockIsWrittenAgain(t *testing.T) {
	from := singleSample(t, noise(3*MinBlockSize, 5))
	dir := t.TempDir()
	g := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")})
	list := g.lacking(rand.New(rand.NewPCG(1, 1)))
	g.fetch(list...)
	flipByte(t, filepath.Join(dir, ".target.p2pcp", "content"), 5)
	i := Index(g.c.Header().ManifestBlocks())
	if err := g.s.Forget(i); err != nil {
		t.Fatal(err)
	}
	if err := g.s.ReadBlock(i, 0, make([]byte, 1)); err == nil {
		t.Error("a forgotten block is read")
	}
	if err := g.s.Place(t.Context()); !errors.Is(err, errLacking) {
		t.Errorf("place without a block: %v", err)
	}
	g.finish()
	from.mustEqual(t, g.s.cfg.Target, 0)
}

// entryOf is the number of a path.
func entryOf(c *Content, path string) int {
	for i, e := range c.Manifest().Entries {
		if e.Path == path {
			return i
		}
	}
	panic("no entry " + path)
}

func flipByte(t testing.TB, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func TestReadBlockSlices(t *testing.T) {
	from := richSample(t)
	g := startGet(t, from, StoreConfig{Target: filepath.Join(t.TempDir(), "target")})
	g.fetch(g.lacking(rand.New(rand.NewPCG(5, 5)))...)
	rnd := rand.New(rand.NewPCG(8, 8))
	have := g.s.Have()
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
	if g.s.Have().Has(i) {
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
