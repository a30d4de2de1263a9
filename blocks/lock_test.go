package blocks

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func lockIn(t *testing.T, dir string) (*Lock, error) {
	return LockTarget(t.Context(), StoreConfig{Target: filepath.Join(dir, "target")})
}

func TestLockMakesAndRemovesThePartialDirectory(t *testing.T) {
	dir := t.TempDir()
	l, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(dir, ".target.p2pcp"))
	if err != nil || fi.Mode() != fs.ModeDir|0o700 {
		t.Errorf("partial directory: %v, %v", fi.Mode(), err)
	}
	for range 2 {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	mustBeClean(t, dir)
}

// second is a LockTarget that has to wait.
type second struct {
	waits chan struct{}
	got   chan error
	lock  *Lock
}

func lockSecond(ctx context.Context, t *testing.T, dir string) *second {
	s := &second{waits: make(chan struct{}, 100), got: make(chan error, 1)}
	go func() {
		var err error
		s.lock, err = LockTarget(ctx, StoreConfig{
			Target: filepath.Join(dir, "target"),
			OnWait: func() { s.waits <- struct{}{} },
		})
		s.got <- err
	}()
	<-s.waits
	return s
}

func TestSecondLockWaitsForRelease(t *testing.T) {
	dir := t.TempDir()
	first, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := lockSecond(t.Context(), t, dir)
	select {
	case err := <-s.got:
		t.Fatalf("two hold the lock: %v", err)
	default:
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-s.got; err != nil {
		t.Fatal(err)
	}
	if len(s.waits) != 0 {
		t.Error("told twice that it waits")
	}
	if s.lock.moved() {
		t.Error("holds the lock of a directory that is gone")
	}
	if err := s.lock.Release(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, dir)
}

func TestSecondLockComesAfterPlaceAndAfterClose(t *testing.T) {
	from := richSample(t)
	for _, place := range []bool{true, false} {
		dir := t.TempDir()
		g := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")})
		s := lockSecond(t.Context(), t, dir)
		if place {
			g.finish()
		} else {
			g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))[0])
			g.s.Close()
		}
		if err := <-s.got; err != nil {
			t.Fatal(err)
		}
		got, err := CompareTarget(t.Context(), g.c.Manifest(), filepath.Join(dir, "target"), true, nil)
		if err != nil || got.Same != place || got.Absent == place {
			t.Errorf("placed %v, the second sees %+v, %v", place, got, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, ".target.p2pcp", contentName)); (err == nil) == place {
			t.Errorf("placed %v, content beside the target: %v", place, err)
		}
		if s.lock.moved() {
			t.Error("holds the lock of a directory that is gone")
		}
		if err := s.lock.Release(); err != nil {
			t.Error(err)
		}
	}
}

func TestLockWaitEndsWithContext(t *testing.T) {
	dir := t.TempDir()
	first, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Release()
	ctx, cancel := context.WithCancel(t.Context())
	s := lockSecond(ctx, t, dir)
	cancel()
	if err := <-s.got; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLockRefusesWhatIsNotOurs(t *testing.T) {
	tests := map[string]func(t *testing.T, partial string){
		"symlink": func(t *testing.T, partial string) {
			if err := os.Symlink(t.TempDir(), partial); err != nil {
				t.Fatal(err)
			}
		},
		"symlink beside": func(t *testing.T, partial string) {
			if err := os.Mkdir(filepath.Join(filepath.Dir(partial), "other"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("other", partial); err != nil {
				t.Fatal(err)
			}
		},
		"file": func(t *testing.T, partial string) {
			if err := os.WriteFile(partial, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"writable by all":   func(t *testing.T, partial string) { mkdirMode(t, partial, 0o777) },
		"writable by group": func(t *testing.T, partial string) { mkdirMode(t, partial, 0o770) },
		"another user's, open to all": func(t *testing.T, partial string) {
			if os.Geteuid() != 0 {
				t.Skip("giving a directory away needs root")
			}
			mkdirMode(t, partial, 0o777)
			if err := os.Chown(partial, 12345, 12345); err != nil {
				t.Fatal(err)
			}
		},
		"another user's": func(t *testing.T, partial string) {
			if os.Geteuid() != 0 {
				t.Skip("giving a directory away needs root")
			}
			mkdirMode(t, partial, 0o700)
			if err := os.Chown(partial, 12345, 12345); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			partial := filepath.Join(dir, ".target.p2pcp")
			prepare(t, partial)
			l, err := lockIn(t, dir)
			if err == nil {
				l.Release()
			}
			if !errors.Is(err, ErrNotOurs) || !strings.Contains(err.Error(), partial) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Lstat(partial); err != nil {
				t.Errorf("it was touched: %v", err)
			}
		})
	}
}

func mkdirMode(t *testing.T, name string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestLockClosesTheDirectoryToReaders(t *testing.T) {
	dir := t.TempDir()
	partial := filepath.Join(dir, ".target.p2pcp")
	mkdirMode(t, partial, 0o755)
	l, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if fi, err := os.Stat(partial); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestLockOfARemovedDirectoryIsNone(t *testing.T) {
	dir := t.TempDir()
	l, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	partial := filepath.Join(dir, ".target.p2pcp")
	if l.moved() {
		t.Error("moved, says a fresh lock")
	}
	for _, again := range []bool{false, true} {
		if again {
			mkdirMode(t, partial, 0o700)
		} else if err := os.Remove(partial); err != nil {
			t.Fatal(err)
		}
		if !l.moved() {
			t.Errorf("the directory was replaced (%v), and nothing is noticed", again)
		}
	}
}

func TestLockWithoutDirectory(t *testing.T) {
	if _, err := lockIn(t, filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := LockTarget(t.Context(), StoreConfig{Target: "relative"}); err == nil {
		t.Error("a relative path is taken")
	}
}

func TestPartialNameFits(t *testing.T) {
	for n := 1; n <= maxName; n++ {
		for _, letter := range []string{"a", "é", "☃"} {
			name := strings.Repeat(letter, n/len(letter)+1)
			if len(name) > maxName {
				continue
			}
			got := partialName(name)
			if len(got)+len("-01234567") > maxName || CheckName(got) != nil {
				t.Fatalf("%q of %d bytes: %q", name, len(name), got)
			}
			if got == partialName(name+"b") {
				t.Fatalf("%q shares its partial with another name", name)
			}
		}
	}
}
