package blocks

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStandAlone is what happens where flock isn't supported: nobody waits, the last rename wins, nothing stays.
func TestStandAlone(t *testing.T) {
	dir := t.TempDir()
	samples := []*sample{richSample(t), sampleOf(t, map[string][]byte{"x": noise(40_000, 1)}, nil, nil)}
	var gets []*get
	for _, from := range samples {
		l := &Lock{cfg: StoreConfig{Target: filepath.Join(dir, "target")}, name: "target", partial: partialName("target")}
		var err error
		if l.parent, err = os.OpenRoot(dir); err != nil {
			t.Fatal(err)
		}
		if err := l.standAlone(); err != nil {
			t.Fatal(err)
		}
		g := &get{t: t, from: from, c: from.receiver(t)}
		if g.s, err = l.Open(t.Context(), g.c); err != nil {
			t.Fatal(err)
		}
		g.check()
		gets = append(gets, g)
	}
	for n, g := range gets {
		g.finish()
		samples[n].mustEqual(t, filepath.Join(dir, "target"), 0)
	}
	mustBeClean(t, dir, "target")
}

func TestRestoreAfterAnInterruptedSwap(t *testing.T) {
	for _, there := range []bool{false, true} {
		dir := t.TempDir()
		partial := filepath.Join(dir, ".target.p2pcp")
		mkdirMode(t, partial, 0o700)
		if err := os.WriteFile(filepath.Join(partial, replacedName), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		want := "old"
		if there {
			want = "new"
			if err := os.WriteFile(filepath.Join(dir, "target"), []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := lockIn(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "target")); string(got) != want {
			t.Errorf("target there %v: holds %q, %v", there, got, err)
		}
		l.Release()
		mustBeClean(t, dir, "target")
	}
}

// TestSwapInTwoAmongOthers: without locks another get's version may get into the gap between the two steps. What we had put aside
// then can't go back, and must not be in the way of the next attempt.
func TestSwapInTwoAmongOthers(t *testing.T) {
	dir := t.TempDir()
	l := &Lock{name: "target", partial: ".target.p2pcp"}
	var err error
	if l.parent, err = os.OpenRoot(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.standAlone(); err != nil {
		t.Fatal(err)
	}
	for round, name := range []string{"target/theirs", contentName + "/ours", replacedName + "/old"} {
		if round > 0 {
			name = l.partial + "/" + name
		}
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.swapInTwo(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, filepath.Join(dir, "target"), "ours")
	if err := l.release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, dir, "target")
}
