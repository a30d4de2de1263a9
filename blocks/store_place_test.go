package blocks

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func TestPlaceReplaces(t *testing.T) {
	dirSample, fileSample := richSample(t), singleSample(t, noise(40_000, 9))
	old := map[string]func(t *testing.T, target string){
		"file": func(t *testing.T, target string) {
			if err := os.WriteFile(target, []byte("old"), 0o400); err != nil {
				t.Fatal(err)
			}
		},
		"dangling link": func(t *testing.T, target string) {
			if err := os.Symlink("nowhere", target); err != nil {
				t.Fatal(err)
			}
		},
		"directory": func(t *testing.T, target string) {
			mkdirMode(t, target, 0o700)
			mkdirMode(t, filepath.Join(target, "inner"), 0o700)
			if err := os.WriteFile(filepath.Join(target, "inner", "extra"), []byte("old"), 0o400); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(target, "inner"), 0o500); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(target, 0o500); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range old {
		for kind, from := range map[string]*sample{"directory": dirSample, "file": fileSample} {
			t.Run(kind+" over "+name, func(t *testing.T) {
				dir := t.TempDir()
				target := filepath.Join(dir, "target")
				prepare(t, target)
				startGet(t, from, StoreConfig{Target: target}).finish()
				from.mustEqual(t, target, 0)
				mustBeClean(t, dir, "target")
			})
		}
	}
}

// TestSwapInTwo is the way of systems that can't exchange two names in one step.
func TestSwapInTwo(t *testing.T) {
	dir := t.TempDir()
	partial := filepath.Join(dir, ".target.p2pcp")
	for _, name := range []string{"target", "target/old", ".target.p2pcp", ".target.p2pcp/content", ".target.p2pcp/content/new"} {
		mkdirMode(t, filepath.Join(dir, name), 0o700)
	}
	l, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := l.swapInTwo(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, filepath.Join(dir, "target"), "new")
	mustBeClean(t, filepath.Join(partial, discardedName), "old")
	if err := removeTree(t.Context(), l.dir, replacedName); err != nil {
		t.Fatal(err)
	}
	if err := l.swapInTwo(); err == nil { // there is no content any more
		t.Error("swapped with nothing")
	}
	mustBeClean(t, filepath.Join(dir, "target"), "new")
}

func TestPlaceWithoutDestination(t *testing.T) {
	base := t.TempDir()
	dir, moved := filepath.Join(base, "dir"), filepath.Join(base, "moved")
	mkdirMode(t, dir, 0o755)
	from := richSample(t)
	g := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")})
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := g.s.Place(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("got %v", err)
	}
	if err := os.Rename(moved, dir); err != nil {
		t.Fatal(err)
	}
	g.finish() // nothing is lost
	from.mustEqual(t, filepath.Join(dir, "target"), 0)
	mustBeClean(t, dir, "target")
}

func TestPlaceDoesNotReplaceWhatTurnsUp(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	g := startGet(t, singleSample(t, noise(100, 1)), StoreConfig{Target: target})
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	parent, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	if err := os.WriteFile(target, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = renameNew(g.s.lock.handle, contentName, parent, "target")
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no such rename here")
	}
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if b, _ := os.ReadFile(target); string(b) != "theirs" {
		t.Errorf("target holds %q", b)
	}
}

// TestUnwritableTop covers a target directory that can't be moved under its final mode.
func TestUnwritableTop(t *testing.T) {
	kinds := map[string]Entry{
		"": {Kind: Dir, Mode: 0o555}, "ro": {Kind: Dir, Mode: 0o555}, "ro/f": {Kind: File, Mode: 0o444}, "ro/g": {Kind: File, Mode: 0o444},
		"secret": {Kind: File, Mode: 0o000},
	}
	f := noise(20_000, 1)
	from := seal(t, kinds, map[string][]byte{"ro/f": f, "ro/g": f, "secret": noise(70_000, 2)})
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	for range 2 {
		g := startGet(t, from, StoreConfig{Target: target, Fsync: true})
		g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
		if err := g.s.Place(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.s.Close()
		fi, err := os.Stat(target)
		if err != nil || fi.Mode().Perm() != 0o555 || fi.ModTime().UnixNano() != from.content.Manifest().Entries[0].ModTime {
			t.Errorf("target: %v, %v", fi, err)
		}
		mustBeClean(t, dir, "target")
	}
	if os.Geteuid() == 0 {
		from.mustEqual(t, target, 0)
	}
	for _, name := range []string{"ro", "."} { // so that the test's directory can be removed
		if err := os.Chmod(filepath.Join(target, name), 0o700); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsWrittenAfterPlace(t *testing.T) {
	from := richSample(t)
	g := startGet(t, from, StoreConfig{Target: filepath.Join(t.TempDir(), "target")})
	list := g.lacking(rand.New(rand.NewPCG(1, 1)))
	g.fetch(list...)
	if err := g.s.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.s.Forget(list[0]); err != nil {
		t.Fatal(err)
	}
	if err := g.s.WriteBlock(list[0], from.block(list[0])); !errors.Is(err, errPhase) {
		t.Errorf("write after place: %v", err)
	}
	if err := g.s.Place(t.Context()); !errors.Is(err, errPhase) {
		t.Errorf("second place: %v", err)
	}
	if err := g.s.Close(); err != nil {
		t.Error(err)
	}
	if err := g.s.ReadBlock(list[1], 0, make([]byte, 1)); err == nil {
		t.Error("read after close")
	}
}

// TestPlacedExecutableRuns: nobody can start a file that is open for writing.
func TestPlacedExecutableRuns(t *testing.T) {
	script := []byte("#!/bin/sh\nexit 7\n")
	for name, from := range map[string]*sample{"file": singleSample(t, script), "dir": sampleOf(t, map[string][]byte{"x": script}, nil, nil)} {
		target := filepath.Join(t.TempDir(), "target")
		g := startGet(t, from, StoreConfig{Target: target})
		g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
		i := Index(g.c.Header().ManifestBlocks())
		g.mustHold(i)
		if err := g.s.Place(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.mustHold(i)
		run := target
		if name == "dir" {
			run = filepath.Join(target, "x")
		}
		var exit *exec.ExitError
		if err := exec.Command(run).Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadersAndWritersAtOnce has every Block written twice and read all the time, through Place.
func TestReadersAndWritersAtOnce(t *testing.T) {
	from := richSample(t)
	target := filepath.Join(t.TempDir(), "target")
	g := startGet(t, from, StoreConfig{Target: target})
	list := g.lacking(rand.New(rand.NewPCG(1, 1)))
	for _, i := range list { // so that the Trees are known
		b := from.block(i)
		proof, _ := from.content.Proof(nil, i, 0, uint32(len(b)), b, nil)
		if err := g.c.Verify(i, 0, b, proof); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for _, i := range list {
				if err := g.s.WriteBlock(i, from.block(i)); err != nil {
					t.Error(err)
				}
			}
		})
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				i := list[n%len(list)]
				want := from.block(i)
				got := make([]byte, len(want))
				if err := g.s.ReadBlock(i, 0, got); err == nil && !bytes.Equal(got, want) || err != nil && !errors.Is(err, errNotStored) {
					t.Errorf("block %d: %v", i, err)
					return
				}
			}
		})
	}
	writers.Wait()
	if err := g.s.Place(t.Context()); err != nil {
		t.Error(err)
	}
	close(done)
	readers.Wait()
	from.mustEqual(t, target, 0)
}
