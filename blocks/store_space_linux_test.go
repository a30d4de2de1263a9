package blocks

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestNoSpace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("p2pcp-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no tmpfs here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	target := filepath.Join(dir, "target")
	l, err := LockTarget(t.Context(), StoreConfig{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Open(t.Context(), singleSample(t, noise(2<<20, 1)).receiver(t))
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("2 MiB on a disk of 1 MiB: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	mustBeClean(t, dir)
	// Zeros need none, and what is there already isn't asked for twice.
	sparse := zeroed(noise(2<<20, 1), seq(0, 90)...)
	from := singleSample(t, sparse)
	for range 2 {
		g := startGet(t, from, StoreConfig{Target: target})
		g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))[:10]...)
		g.s.Close()
	}
	startGet(t, from, StoreConfig{Target: target}).finish()
	from.mustEqual(t, target, 0)
	// Space that goes meanwhile.
	small := map[string][]byte{}
	for n := range 20 {
		small[fmt.Sprint(n)] = noise(10_000, byte(n))
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	files := sampleOf(t, small, nil, nil)
	g := startGet(t, files, StoreConfig{Target: target})
	_ = os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 1<<20), 0o600) // as far as it goes
	i := g.lacking(rand.New(rand.NewPCG(1, 1)))[0]
	if err := g.s.WriteBlock(i, files.block(i)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: %v", err)
	}
	if g.have().Has(i) {
		t.Error("a block that wasn't written is held")
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	g.finish()
	files.mustEqual(t, target, 0)
}
