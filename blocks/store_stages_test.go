package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestPlaceBesideCheck: all may be held before Check has returned, since its last word comes earlier, and Place begins.
func TestPlaceBesideCheck(t *testing.T) {
	from := richSample(t)
	for range 20 {
		dir := t.TempDir()
		cfg := StoreConfig{Target: filepath.Join(dir, "target")}
		g := startGet(t, from, cfg)
		g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
		crash(t, g.s)
		old := filepath.Join(dir, ".target.p2pcp", oldName)
		mkdirMode(t, old, 0o700)
		for n := range 50 {
			if err := os.WriteFile(filepath.Join(old, fmt.Sprint(n)), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := openGet(t, from, cfg).s
		var mu sync.Mutex
		left := s.Claims().Count()
		placed := make(chan error, 1)
		err := s.Check(t.Context(), nil, func(Index) {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				go func() { placed <- errors.Join(s.Place(t.Context()), s.Sweep(t.Context()), s.Close()) }()
			}
		}, func(i Index) { t.Errorf("block %d isn't there", i) })
		if err != nil {
			t.Error(err)
		}
		if err := <-placed; err != nil {
			t.Fatal(err)
		}
		from.mustEqual(t, cfg.Target, 0)
		mustBeClean(t, dir, "target")
	}
}

// TestCheckAfterPlace: where every claim was fetched before Check came to run.
func TestCheckAfterPlace(t *testing.T) {
	from := richSample(t)
	cfg := StoreConfig{Target: filepath.Join(t.TempDir(), "target")}
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))[:3]...)
	crash(t, g.s)
	g = openGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	if err := g.s.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.check()
	if g.had.Count() != 3 || g.lacked.Count() != 0 {
		t.Errorf("had %d, lacked %d of 3", g.had.Count(), g.lacked.Count())
	}
}

// replaced is a get that has placed a directory over another.
func replaced(t *testing.T, from *sample, target string) *get {
	t.Helper()
	mkdirMode(t, target, 0o700)
	for n := range 30 {
		if err := os.WriteFile(filepath.Join(target, fmt.Sprint(n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := startGet(t, from, StoreConfig{Target: target})
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	if err := g.s.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	from.mustEqual(t, target, 0)
	mustBeClean(t, filepath.Join(filepath.Dir(target), ".target.p2pcp"), discardedName, journalName)
	return g
}

func TestSweep(t *testing.T) {
	from := richSample(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		act  func(s *Store) error
		want error
	}{
		"sweep": {func(s *Store) error { return errors.Join(s.Sweep(t.Context()), s.Sweep(t.Context()), s.Close()) }, nil},
		"close": {func(s *Store) error { return s.Close() }, nil},
		"ended": {func(s *Store) error { return errors.Join(s.Sweep(ended), s.Close()) }, ErrLeftover},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			g := replaced(t, from, target)
			second := lockSecond(t.Context(), t, dir) // waits until all is swept
			if err := c.act(g.s); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err := <-second.got; err != nil {
				t.Fatal(err)
			}
			if err := second.lock.Release(); err != nil {
				t.Error(err)
			}
			from.mustEqual(t, target, 0)
			mustBeClean(t, dir, "target")
		})
	}
}

// TestKilledBeforeSweep: what was replaced never comes back, even if the target is moved away.
func TestKilledBeforeSweep(t *testing.T) {
	from := richSample(t)
	for _, moved := range []bool{false, true} {
		dir := t.TempDir()
		target := filepath.Join(dir, "target")
		crash(t, replaced(t, from, target).s)
		left := []string{"target"}
		if moved {
			left = []string{"elsewhere"}
			if err := os.Rename(target, filepath.Join(dir, left[0])); err != nil {
				t.Fatal(err)
			}
		}
		l, err := lockIn(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
		from.mustEqual(t, filepath.Join(dir, left[0]), 0)
		mustBeClean(t, dir, left...)
	}
}

// TestRotWhileReceiving: a Block that the disk has lost can be fetched again, with or without Forget.
func TestRotWhileReceiving(t *testing.T) {
	from := richSample(t)
	for _, forget := range []bool{false, true} {
		target := filepath.Join(t.TempDir(), "target")
		g := startGet(t, from, StoreConfig{Target: target})
		list := g.lacking(rand.New(rand.NewPCG(1, 1)))
		g.fetch(list...)
		content := filepath.Join(filepath.Dir(target), ".target.p2pcp", contentName)
		for _, name := range []string{"big", "one", "sub/ünï ☃"} {
			if err := os.WriteFile(filepath.Join(content, name), []byte("rot"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range list {
			if forget {
				if err := g.s.Forget(i); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.s.WriteBlock(i, from.block(i)); err != nil {
				t.Fatal(err)
			}
		}
		// The zeros at the end of "big" went with the rest; they are nobody's Block.
		if err := os.Truncate(filepath.Join(content, "big"), int64(len(from.bytes["big"]))); err != nil {
			t.Fatal(err)
		}
		g.finish()
		from.mustEqual(t, target, 0)
	}
}

// TestForgottenWhilePlacing: nothing that is known to be wrong gets its final name.
func TestForgottenWhilePlacing(t *testing.T) {
	from := richSample(t)
	target := filepath.Join(t.TempDir(), "target")
	g := startGet(t, from, StoreConfig{Target: target})
	list := g.lacking(rand.New(rand.NewPCG(1, 1)))
	g.fetch(list...)
	if err := g.s.readyToPlace(); err != nil {
		t.Fatal(err)
	}
	if err := g.s.Forget(list[0]); err != nil {
		t.Fatal(err)
	}
	p := placer{store: g.s, entries: g.c.Manifest().Entries, layout: g.c.Layout()}
	if err := p.rename(t.Context()); !errors.Is(err, errLacking) {
		t.Errorf("placed with a forgotten block: %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("target: %v", err)
	}
	g.s.openToWrite()
	g.finish()
	from.mustEqual(t, target, 0)
}

func TestPlaceLeavesAloneWhatTurnedUp(t *testing.T) {
	for name, from := range map[string]*sample{"file": singleSample(t, noise(100, 1)), "directory": richSample(t)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			g := startGet(t, from, StoreConfig{Target: target})
			g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
			if err := os.WriteFile(target, []byte("theirs"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := g.s.Place(t.Context()); !errors.Is(err, fs.ErrExist) {
				t.Errorf("got %v", err)
			}
			if b, err := os.ReadFile(target); string(b) != "theirs" {
				t.Errorf("target holds %q, %v", b, err)
			}
			if err := os.Remove(target); err != nil {
				t.Fatal(err)
			}
			g.finish()
			from.mustEqual(t, target, 0)
			mustBeClean(t, dir, "target")
		})
	}
}

func TestDiscard(t *testing.T) {
	from, other := richSample(t), sampleOf(t, map[string][]byte{"x": noise(40_000, 1)}, nil, nil)
	for _, c := range []struct {
		asked *sample
		left  []string
	}{{from, nil}, {other, []string{".target.p2pcp"}}} {
		dir := t.TempDir()
		g := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")})
		g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))[0])
		g.s.Close()
		l, err := lockIn(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.Discard(t.Context(), c.asked.content); err != nil {
				t.Error(err)
			}
		}
		mustBeClean(t, dir, c.left...)
	}
}
