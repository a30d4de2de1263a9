package blocks

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestJournalTornAnywhere cuts a journal off at every byte, and at every third fills it with garbage from there on, or changes it, over
// content with one wrong Block. It opens every time, what it claims is hashed, and the wrong Block is never held.
func TestJournalTornAnywhere(t *testing.T) {
	from := sampleOf(t, map[string][]byte{
		"large": zeroed(noise(5*MinBlockSize+9, 1), 1), "a": noise(300, 2), "b": noise(MinBlockSize, 3),
	}, nil, nil)
	dir := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(dir, "target")}
	partial := filepath.Join(dir, ".target.p2pcp")
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	wrong := Index(g.c.Layout().SpanOf(entryOf(g.c, "large")).First) + 2
	crash(t, g.s)
	whole, err := os.ReadFile(filepath.Join(partial, journalName))
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Clone(from.bytes["large"])
	large[2*MinBlockSize]++
	tried, trusted := 0, uint32(0)
	try := func(journal []byte) {
		if err := os.RemoveAll(partial); err != nil {
			t.Fatal(err)
		}
		mkdirMode(t, partial, 0o700)
		mkdirMode(t, filepath.Join(partial, contentName), 0o700)
		for name, p := range map[string][]byte{"journal": journal, "content/large": large, "content/a": from.bytes["a"], "content/b": from.bytes["b"]} {
			if err := os.WriteFile(filepath.Join(partial, name), p, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		again := startGet(t, from, cfg) // compares each Block that is held
		if again.had.Has(wrong) || again.have().Has(wrong) {
			t.Fatalf("block %d is held", wrong)
		}
		if tried++; tried%100 == 0 {
			again.finish()
			from.mustEqual(t, cfg.Target, 0)
			if err := os.RemoveAll(cfg.Target); err != nil {
				t.Fatal(err)
			}
		}
		trusted = max(trusted, again.had.Count())
		if err := again.s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for at := range len(whole) {
		try(whole[:at])
		if at%3 != 0 {
			continue
		}
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		try(append(bytes.Clone(whole[:at]), noise(len(whole)-at, byte(at))...))
		try(flipped)
	}
	if trusted == 0 {
		t.Error("no claim ever proved right: nothing was tried")
	}
	t.Logf(`RELIABILITY {"kind":"fault","name":"the journal is torn at every byte, garbage or changed from every third on","result":"%d journals of %d bytes: each opened, what it claimed hashed again, a wrong block never held","test":%q}`, tried, len(whole), t.Name())
}
