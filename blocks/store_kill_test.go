package blocks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// crowd is a directory so large that Place can be met in its middle. Two versions share most of their files, and one file of each
// is only its own.
func crowd(t testing.TB, version string) *sample {
	files := map[string][]byte{
		"large":              noise(20*MinBlockSize+5, 1),
		"large " + version:   noise(10*MinBlockSize, version[0]),
		"twin of large":      noise(20*MinBlockSize+5, 1),
		"only in " + version: []byte(version),
	}
	links := map[string]string{}
	for n := range 700 {
		files[crowdName("f", n)] = noise(50+n%40, byte(n%40)) // the first of each are packed, the rest copies
	}
	for n := range 200 {
		links[crowdName("l", n)] = version
	}
	return sampleOf(t, files, nil, links)
}

func crowdName(kind string, n int) string { return fmt.Sprintf("d%02d/%s%04d", n%30, kind, n) }

// placeStages are where Place and Sweep are met: come tells, by the partial directory, whether they are half through that.
var placeStages = []struct {
	name string
	come func(dir string) bool
}{
	{"copies", func(dir string) bool { return isThere(dir, contentName, crowdName("f", 375)) }},
	{"links", func(dir string) bool { return linksTo(dir, crowdName("l", 105), "new") }},
	{"modes of files", func(dir string) bool { return hasMode(dir, crowdName("f", 375), 0o600) }},
	{"modes of directories", func(dir string) bool { return hasMode(dir, "d15", 0o700) }},
	{"in place", func(dir string) bool { return isThere(dir, "..", "target", "only in new") }},
	{"sweep", func(dir string) bool {
		return isThere(dir, discardedName) && !isThere(dir, discardedName, crowdName("f", 375))
	}},
}

func isThere(dir string, names ...string) bool {
	_, err := os.Lstat(filepath.Join(append([]string{dir}, names...)...))
	return err == nil
}

func linksTo(dir, name, to string) bool {
	got, err := os.Readlink(filepath.Join(dir, contentName, name))
	return err == nil && got == to
}

// hasMode tells whether what was made with a mode has another by now.
func hasMode(dir, name string, made os.FileMode) bool {
	fi, err := os.Lstat(filepath.Join(dir, contentName, name))
	return err == nil && fi.Mode().Perm() != made
}

// until waits for a stage, or for the end of who comes to it.
func until(done <-chan struct{}, dir string, come func(dir string) bool) {
	for !come(filepath.Join(dir, ".target.p2pcp")) {
		select {
		case <-done:
			return
		default:
			runtime.Gosched()
		}
	}
}

// oldCrowd makes a directory that holds the old version as target.
func oldCrowd(t *testing.T, old *sample) (dir string, cfg StoreConfig) {
	t.Helper()
	dir = t.TempDir()
	cfg = StoreConfig{Target: filepath.Join(dir, "target")}
	startGet(t, old, cfg).finish()
	return dir, cfg
}

// mustBeOneOf checks that the target is whole: the old version or the new.
func mustBeOneOf(t *testing.T, old, from *sample, target string) {
	t.Helper()
	if isThere(target, "only in new") {
		old = from
	}
	old.mustEqual(t, target, 0)
}

// again is the same command once more: it has nothing to fetch, and leaves nothing but the target.
func again(t *testing.T, from *sample, cfg StoreConfig) {
	t.Helper()
	l, err := LockTarget(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &get{t: t, from: from, c: from.receiver(t)}
	found, err := CompareTarget(t.Context(), g.c.Manifest(), cfg.Target, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found.Same {
		if err := l.Discard(t.Context(), g.c); err != nil {
			t.Fatal(err)
		}
	} else {
		if g.s, err = l.Open(t.Context(), g.c); err != nil {
			t.Fatal(err)
		}
		g.check()
		g.finish()
	}
	if g.written > 0 {
		t.Errorf("%d blocks that had been there were fetched", g.written)
	}
	from.mustEqual(t, cfg.Target, 0)
	mustBeClean(t, filepath.Dir(cfg.Target), "target")
}

// TestKilledInPlace kills a process with SIGKILL: whatever it was at, the old version or the new one is there, whole.
func TestKilledInPlace(t *testing.T) {
	const variable = "P2PCP_TEST_PLACE" // the child's target
	if target := os.Getenv(variable); target != "" {
		startGet(t, crowd(t, "new"), StoreConfig{Target: target}).finish()
		return
	}
	old, from := crowd(t, "old"), crowd(t, "new")
	for _, at := range placeStages {
		t.Run(at.name, func(t *testing.T) {
			dir, cfg := oldCrowd(t, old)
			child := exec.Command(os.Args[0], "-test.run=^TestKilledInPlace$")
			child.Env = append(os.Environ(), variable+"="+cfg.Target)
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() { defer close(done); _ = child.Wait() }()
			until(done, dir, at.come)
			_ = child.Process.Kill()
			<-done
			t.Logf("the partial directory is there: %v; the new version: %v", isThere(dir, ".target.p2pcp"), isThere(cfg.Target, "only in new"))
			mustBeOneOf(t, old, from, cfg.Target)
			again(t, from, cfg)
		})
	}
}

// TestCancelledInPlace ends Place by its context, as a signal does. The same Store may go on, or another.
func TestCancelledInPlace(t *testing.T) {
	old, from := crowd(t, "old"), crowd(t, "new")
	for n, at := range placeStages[:4] {
		t.Run(at.name, func(t *testing.T) {
			dir, cfg := oldCrowd(t, old)
			g := startGet(t, from, cfg)
			g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
			ctx, cancel := context.WithCancel(t.Context())
			placed, done := make(chan error, 1), make(chan struct{})
			go func() { defer close(done); placed <- g.s.Place(ctx) }()
			until(done, dir, at.come)
			cancel()
			err := <-placed
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			t.Logf("Place: %v", err)
			if err != nil {
				old.mustEqual(t, cfg.Target, 0)
			}
			if err != nil && n%2 == 0 {
				if err := g.s.Place(t.Context()); err != nil {
					t.Fatal(err)
				}
				from.mustEqual(t, cfg.Target, 0)
			}
			if err := g.s.Close(); err != nil {
				t.Fatal(err)
			}
			again(t, from, cfg)
		})
	}
}
