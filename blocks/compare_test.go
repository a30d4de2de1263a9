package blocks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestCompareTarget(t *testing.T) {
	from := richSample(t)
	touch := func(t *testing.T, name string) {
		if err := os.Chtimes(name, time.Time{}, time.Unix(5, 5)); err != nil {
			t.Fatal(err)
		}
	}
	// hurt changes a byte and keeps size and mtime.
	hurt := func(t *testing.T, name string) {
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		flipByte(t, name, 0)
		if err := os.Chtimes(name, time.Time{}, fi.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	swap := func(t *testing.T, name string, make func(string) error) {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
		if err := make(name); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name      string
		change    func(t *testing.T, target string)
		differs   []string
		extra     []string
		checksums bool // differs shows with checksum only
	}{
		{name: "same", change: func(*testing.T, string) {}},
		{name: "touched", change: func(t *testing.T, dir string) { touch(t, dir+"/big"); touch(t, dir+"/one") }},
		{
			name:    "touched and changed",
			change:  func(t *testing.T, dir string) { hurt(t, dir+"/big"); touch(t, dir+"/big") },
			differs: []string{"big"},
		},
		{name: "changed under its mtime", change: func(t *testing.T, dir string) { hurt(t, dir+"/sub/copy") }, differs: []string{"sub/copy"}, checksums: true},
		{
			name: "shorter",
			change: func(t *testing.T, dir string) {
				if err := os.Truncate(dir+"/sub/ünï ☃", 4999); err != nil {
					t.Fatal(err)
				}
			},
			differs: []string{"sub/ünï ☃"},
		},
		{
			name:    "gone",
			change:  func(t *testing.T, dir string) { swap(t, dir+"/sub/a/b", func(string) error { return nil }) },
			differs: []string{"sub/a/b", "sub/a/b/c", "sub/a/b/c/deep"},
		},
		{
			name: "other kinds",
			change: func(t *testing.T, dir string) {
				swap(t, dir+"/one", func(n string) error { return os.Symlink("block", n) })
				swap(t, dir+"/link", func(n string) error { return os.WriteFile(n, nil, 0o600) })
				swap(t, dir+"/hollow", func(n string) error { return os.Symlink("z", n) })
				swap(t, dir+"/zeros", func(n string) error { return os.MkdirAll(n+"/inside", 0o700) })
				swap(t, dir+"/empty", func(n string) error { return syscall.Mkfifo(n, 0o600) })
				swap(t, dir+"/sub/up", func(n string) error { return os.Symlink("../two", n) })
			},
			differs: []string{"empty", "hollow", "hollow/inner", "link", "one", "sub/up", "zeros"},
		},
		{
			name: "extra",
			change: func(t *testing.T, dir string) {
				swap(t, dir+"/more/and/more", func(n string) error { return os.MkdirAll(n, 0o700) })
				swap(t, dir+"/sub/\x1b[2Jodd", func(n string) error { return os.WriteFile(n, nil, 0o600) })
			},
			extra: []string{"more", "sub/\x1b[2Jodd"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "target")
			from.put(t, target)
			test.change(t, target)
			for _, checksum := range []bool{false, true} {
				got, err := CompareTarget(t.Context(), from.content.Manifest(), target, checksum, func(uint64) {})
				if err != nil {
					t.Fatal(err)
				}
				differs := test.differs
				if test.checksums && !checksum {
					differs = nil
				}
				if !slices.Equal(got.Differs, quoted(differs)) || !slices.Equal(got.Extra, quoted(test.extra)) ||
					got.NDiffer != len(differs) || got.NExtra != len(test.extra) ||
					got.Same != (len(differs)+len(test.extra) == 0) || got.Absent {
					t.Errorf("checksum %v: %+v", checksum, got)
				}
			}
		})
	}
}

func quoted(list []string) (q []string) {
	for _, s := range list {
		q = append(q, strconv.Quote(s))
	}
	return q
}

func TestCompareSingleFile(t *testing.T) {
	from := singleSample(t, noise(40_000, 1))
	m := from.content.Manifest()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	compare := func(checksum bool) Compare {
		t.Helper()
		got, err := CompareTarget(t.Context(), m, target, checksum, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := compare(false); !got.Absent || got.Same {
		t.Errorf("nothing there: %+v", got)
	}
	from.put(t, target)
	if got := compare(true); !got.Same || got.Absent {
		t.Errorf("same: %+v", got)
	}
	flipByte(t, target, 39_999)
	if got := compare(true); got.Same || !slices.Equal(got.Differs, []string{`"target"`}) {
		t.Errorf("changed: %+v", got)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	mkdirMode(t, target, 0o700)
	if got := compare(false); got.Same || got.NDiffer != 1 || got.NExtra != 0 {
		t.Errorf("a directory: %+v", got)
	}
	gone, err := CompareTarget(t.Context(), m, filepath.Join(dir, "no", "where"), false, nil)
	if err != nil || !gone.Absent {
		t.Errorf("no directory: %+v, %v", gone, err)
	}
}

func TestCompareKeepsFewNames(t *testing.T) {
	files := map[string][]byte{}
	for n := range 50 {
		files[strconv.Itoa(n)] = []byte{1}
	}
	target := filepath.Join(t.TempDir(), "target")
	mkdirMode(t, target, 0o700)
	for n := range 30 {
		mkdirMode(t, filepath.Join(target, "extra"+strconv.Itoa(n)), 0o700)
	}
	got, err := CompareTarget(t.Context(), sampleOf(t, files, nil, nil).content.Manifest(), target, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Differs) != maxNamed || got.NDiffer != 50 || len(got.Extra) != maxNamed || got.NExtra != 30 {
		t.Errorf("%d of %d, %d of %d", len(got.Differs), got.NDiffer, len(got.Extra), got.NExtra)
	}
}

func TestHashReader(t *testing.T) {
	for _, n := range []int{0, 1, hashStep - 1, hashStep, hashStep + 1, 3*hashStep + 7} {
		p := noise(n, 4)
		told := 0
		root, size, err := hashReader(t.Context(), bytes.NewReader(p), make([]byte, hashStep), func(n int) { told += n })
		if err != nil || root != Sum(p) || size != uint64(n) || told != n {
			t.Errorf("%d bytes: %v, %d, %d told, %v", n, root, size, told, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := hashReader(ctx, bytes.NewReader(nil), nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCompareTargetThatIsReplaced: where there are no locks another get may put its version in place, and remove the one that is
// being looked at.
func TestCompareTargetThatIsReplaced(t *testing.T) {
	files := map[string][]byte{}
	for n := range 200 {
		files[fmt.Sprintf("d%d/f%d", n%20, n)] = noise(100, byte(n))
	}
	from := sampleOf(t, files, nil, nil)
	dir := t.TempDir()
	target, fresh := filepath.Join(dir, "target"), filepath.Join(dir, "fresh")
	for _, name := range []string{target, fresh} {
		startGet(t, from, StoreConfig{Target: name}).finish()
	}
	var once sync.Once
	got, err := CompareTarget(t.Context(), from.content.Manifest(), target, true, func(uint64) {
		once.Do(func() {
			old := filepath.Join(dir, "old")
			if err := errors.Join(os.Rename(target, old), os.Rename(fresh, target), os.RemoveAll(old)); err != nil {
				t.Error(err)
			}
		})
	})
	if err != nil || !got.Same {
		t.Errorf("%+v, %v", got, err)
	}
}
