package seed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestChangeWhileHashing(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grows":    func(path string) error { return os.WriteFile(path, noise(2, 200_001), 0o644) },
		"shrinks":  func(path string) error { return os.Truncate(path, 5) },
		"rewrites": func(path string) error { return os.WriteFile(path, noise(2, 200_000), 0o644) },
	} {
		for _, size := range []int{200_000, 60_000} {
			path := put(t, filepath.Join(t.TempDir(), "victim"), noise(1, size))
			o := Options{midHash: func(p string) { must(t, change(p)) }}
			_, err := Build(t.Context(), []string{path}, o)
			var changed *ChangedError
			if !errors.As(err, &changed) || changed.Path != path || !errors.Is(err, ErrChanged) {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
		}
	}
}

func TestChangeBetweenWalkAndHashing(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed": os.Remove,
		"link": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("first", path))
		},
		"pipe": func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) },
		"other": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", nil, 0o644), os.Rename(path+"2", path))
		},
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "first"), noise(1, 10))
		victim := put(t, filepath.Join(dir, "victim"), noise(2, 10))
		o := Options{Workers: 1, midHash: func(p string) {
			if filepath.Base(p) == "first" {
				must(t, change(victim))
			}
		}}
		_, err := Build(t.Context(), []string{dir}, o)
		var changed *ChangedError
		if !errors.As(err, &changed) || changed.Path != victim {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBuildStopsWithItsContext(t *testing.T) {
	path := put(t, filepath.Join(t.TempDir(), "f"), noise(1, 2<<20))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Build(ctx, []string{path}, Options{midHash: func(string) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	_, err = Build(ctx, []string{filepath.Dir(path)}, Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("walk: %v", err)
	}
}

func TestProgressReachesTheTotal(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "small"), noise(1, 1000))
	put(t, filepath.Join(dir, "large"), noise(2, 300_000))
	var last, calls atomic.Uint64
	for _, pass := range []string{"hashed", "cached"} {
		last.Store(0)
		build(t, Options{CacheDir: filepath.Join(t.TempDir(), "c"), Progress: func(done, total uint64) {
			calls.Add(1)
			if total != 301_000 || done > total {
				t.Errorf("%s: %d of %d", pass, done, total)
			}
			for {
				was := last.Load()
				if done <= was || last.CompareAndSwap(was, done) {
					return
				}
			}
		}}, dir)
		if last.Load() != 301_000 || calls.Load() < 3 {
			t.Errorf("%s: ended at %d after %d calls", pass, last.Load(), calls.Load())
		}
	}
}

func TestBlockSizeStaysCountable(t *testing.T) {
	for _, c := range []struct {
		bytes uint64
		files int
		want  uint32
	}{
		{0, 1, 64 << 10}, {1 << 30, 1, 512 << 10}, {1 << 40, 1, 1 << 20}, {1 << 43, 1, 2 << 20}, {1 << 44, 1, 4 << 20}, {1 << 50, 1, 4 << 20},
	} {
		if got := blockSizeFor(c.bytes, c.files); got != c.want {
			t.Errorf("%d bytes: %d, want %d", c.bytes, got, c.want)
		}
	}
}

func TestTimesBeyondWhatFits(t *testing.T) {
	for _, c := range []struct {
		sec, nsec int64
		want      time.Time
	}{
		{0, 5, time.Unix(0, 5)},
		{-1, 999_999_999, time.Unix(-1, 999_999_999)},
		{1 << 40, 0, time.Unix(0, 1<<63-1)},
		{-1 << 40, 0, time.Unix(0, -1<<63)},
	} {
		if got := nanos(unix.Timespec{Sec: c.sec, Nsec: c.nsec}); got != c.want.UnixNano() {
			t.Errorf("%d s: %d", c.sec, got)
		}
	}
}
