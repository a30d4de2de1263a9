package blocks

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzJournal puts arbitrary bytes where the journal should be, over content that is partly wrong. Whatever they claim, only
// right Blocks are held (startGet compares each), and the get can be finished.
func FuzzJournal(f *testing.F) {
	from := sampleOf(f, map[string][]byte{
		"large": zeroed(noise(3*MinBlockSize+9, 1), 1), "a": noise(300, 2), "b": noise(MinBlockSize, 3),
	}, []string{"d"}, nil)
	raw := from.content.Header().Append([]byte(journalMagic))
	raw = append(raw, from.content.ManifestBytes()...)
	head := len(raw)
	bits := (int(from.content.Header().Blocks) + 7) / 8
	for range bits {
		raw = append(raw, 0xff)
	}
	raw = append(raw, dumpOf(f, from.content.Tree(1))...)
	f.Add(raw)
	f.Add(raw[:head])
	f.Add(raw[:head+bits])
	f.Add(append(raw[:len(raw)-40:len(raw)-40], noise(40, 7)...))
	f.Add([]byte(journalMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		cfg := StoreConfig{Target: filepath.Join(dir, "target")}
		partial := filepath.Join(dir, ".target.p2pcp")
		mkdirMode(t, partial, 0o700)
		mkdirMode(t, filepath.Join(partial, contentName), 0o700)
		large := append([]byte(nil), from.bytes["large"]...)
		large[2*MinBlockSize]++
		for name, p := range map[string][]byte{"journal": b, "content/large": large, "content/a": noise(300, 9), "content/b": from.bytes["b"]} {
			if err := os.WriteFile(filepath.Join(partial, name), p, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g := startGet(t, from, cfg)
		wrong := Index(g.c.Layout().SpanOf(entryOf(g.c, "large")).First) + 2
		if g.had.Has(wrong) || g.have().Has(wrong) {
			t.Errorf("block %d is held", wrong)
		}
		g.finish()
		from.mustEqual(t, cfg.Target, 0)
		mustBeClean(t, dir, "target")
	})
}
