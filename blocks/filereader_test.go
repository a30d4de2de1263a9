package blocks

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
)

// countedReader counts what is read of a FileReader.
type countedReader struct {
	*FileReader
	read atomic.Int64
}

func (c *countedReader) readAt(p []byte, off int64) error {
	c.read.Add(int64(len(p)))
	return c.FileReader.readAt(p, off)
}

// sparseFile makes a file of size bytes with pieces of noise at some offsets and holes between.
func sparseFile(t testing.TB, size int64, pieces map[int64]int) (*os.File, []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, size)
	for at, n := range pieces {
		copy(p[at:], noise(n, byte(at)))
		if _, err := f.WriteAt(p[at:at+int64(n)], at); err != nil {
			t.Fatal(err)
		}
	}
	return f, p
}

func TestHolesAreNotRead(t *testing.T) {
	const block = 64 << 10
	for name, c := range map[string]struct {
		size   int64
		pieces map[int64]int
		most   int64 // bytes to be read
	}{
		"all":            {100*block + 5, nil, 0},
		"middle":         {100 * block, map[int64]int{50*block + 7: 10}, block},
		"both ends":      {100*block + 77, map[int64]int{0: 5, 100*block + 70: 7}, 2 * block},
		"across a block": {100 * block, map[int64]int{20*block - 10: 20}, 2 * block},
		"no hole":        {5 * block, map[int64]int{0: 5 * block}, 5 * block},
	} {
		t.Run(name, func(t *testing.T) {
			f, p := sparseFile(t, c.size, c.pieces)
			r := &countedReader{FileReader: NewFileReader(t.Context(), f)}
			got, zeros, err := BuildTree(r, uint64(c.size), block, nil)
			if err != nil {
				t.Fatal(err)
			}
			want, wantZeros, err := BuildTree(bytes.NewReader(p), uint64(c.size), block, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Root() != want.Root() || got.Root() != Sum(p) || !slices.Equal(zeros, wantZeros) ||
				!bytes.Equal(dumpOf(t, got), dumpOf(t, want)) {
				t.Errorf("Root %s and zeros %v, want %s and %v", got.Root(), zeros, want.Root(), wantZeros)
			}
			if r.sparse && r.read.Load() > c.most {
				t.Errorf("%d bytes were read, at most %d are no hole", r.read.Load(), c.most)
			}
			root, size, err := hashReader(t.Context(), NewFileReader(t.Context(), f), make([]byte, hashStep), func(int) {})
			if err != nil || root != want.Root() || size != uint64(c.size) {
				t.Errorf("hashed as %s, %d bytes, %v", root, size, err)
			}
		})
	}
}

func TestFileThatShrinksInItsHole(t *testing.T) {
	const block = 64 << 10
	f, _ := sparseFile(t, 10*block, nil)
	r := NewFileReader(t.Context(), f)
	if err := f.Truncate(5 * block); err != nil {
		t.Fatal(err)
	}
	if _, _, err := BuildTree(r, 10*block, block, nil); err == nil {
		t.Error("hashed beyond the end")
	}
	f, _ = sparseFile(t, 10*block, nil)
	if _, _, err := BuildTree(NewFileReader(t.Context(), f), 9*block, block, nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("a longer file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := BuildTree(NewFileReader(ctx, f), 10*block, block, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
