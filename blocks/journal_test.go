package blocks

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestJournalIsNeverBelieved(t *testing.T) {
	from := richSample(t)
	base := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(base, "target")}
	g := startGet(t, from, cfg)
	list := g.lacking(rand.New(rand.NewPCG(5, 5)))
	g.fetch(list[:len(list)/2]...)
	j := g.s.journal
	sections := []int64{0, 4, 8, 40, journalHead, j.bitsAt - 1, j.bitsAt, j.bitsAt + 1, j.nodesAt[0], j.nodesAt[1], j.size() - 1, j.size()}
	crash(t, g.s)
	name := filepath.Join(base, ".target.p2pcp", journalName)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(6, 6))
	var broken [][]byte
	for _, at := range sections {
		broken = append(broken, whole[:at]) // torn
		flipped := bytes.Clone(whole)
		flipped[min(at, j.size()-1)] ^= 1 << rnd.IntN(8)
		broken = append(broken, flipped, append(bytes.Clone(whole[:at]), noise(len(whole)-int(at), 9)...))
	}
	all := bytes.Clone(whole)
	for i := range len(j.bits) {
		all[int(j.bitsAt)+i] = 0xff
	}
	broken = append(broken, all, append(bytes.Clone(whole), 1, 2, 3), noise(500, 1))
	for n, b := range broken {
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, ".target.p2pcp"), os.DirFS(filepath.Join(base, ".target.p2pcp"))); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, ".target.p2pcp"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".target.p2pcp", journalName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		again := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")}) // checks each has
		again.finish()
		from.mustEqual(t, filepath.Join(dir, "target"), 0)
		mustBeClean(t, dir, "target")
		if n == 0 && again.written == 0 {
			t.Error("nothing was lacking")
		}
	}
}

func TestDamagedContentLacks(t *testing.T) {
	from := richSample(t)
	dir := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(dir, "target")}
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(5, 5)))...)
	big := filepath.Join(dir, ".target.p2pcp", "content", "big")
	flipByte(t, big, 2*MinBlockSize+9)
	flipByte(t, big, 3*MinBlockSize+9) // in a zero range
	span := g.c.Layout().SpanOf(entryOf(g.c, "big"))
	hurt := Index(span.First + 2)
	buf := make([]byte, MinBlockSize)
	if err := g.s.ReadBlock(hurt, 0, buf); err != nil {
		t.Fatal(err)
	}
	if g.c.Check(hurt, buf) {
		t.Fatal("a flipped byte passes")
	}
	crash(t, g.s)
	again := startGet(t, from, cfg)
	if again.lacked.Count() != 1 || !again.lacked.Has(hurt) {
		t.Errorf("lacked %v, want block %d", again.lacked.Spans(), hurt)
	}
	again.finish()
	from.mustEqual(t, cfg.Target, 0)
}

// TestLeftoversDoNotGetFinalNames: bytes behind a file's end and files that the Manifest doesn't name are verified by nobody.
func TestLeftoversDoNotGetFinalNames(t *testing.T) {
	for _, from := range []*sample{richSample(t), singleSample(t, noise(100, 1)), singleSample(t, noise(40_000, 1))} {
		dir := t.TempDir()
		cfg := StoreConfig{Target: filepath.Join(dir, "target")}
		g := startGet(t, from, cfg)
		list := g.lacking(rand.New(rand.NewPCG(5, 5)))
		g.fetch(list...)
		crash(t, g.s)
		content := filepath.Join(dir, ".target.p2pcp", contentName)
		longer := []string{content}
		if from.content.Header().Dir {
			longer = []string{content + "/big", content + "/sub/copy", content + "/one"}
			mkdirMode(t, content+"/hollow/stray", 0o700)
			for _, name := range []string{"/stray", "/sub/stray", "/hollow/stray/stray"} {
				if err := os.WriteFile(content+name, []byte("stray"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, name := range longer {
			if _, err := os.Stat(name); err != nil {
				continue // a copy, made by Place
			}
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("stray"); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		startGet(t, from, cfg).finish()
		from.mustEqual(t, cfg.Target, 0)
	}
}

func TestForgottenBlockIsWrittenAgain(t *testing.T) {
	from := singleSample(t, noise(3*MinBlockSize, 5))
	dir := t.TempDir()
	g := startGet(t, from, StoreConfig{Target: filepath.Join(dir, "target")})
	list := g.lacking(rand.New(rand.NewPCG(1, 1)))
	g.fetch(list...)
	flipByte(t, filepath.Join(dir, ".target.p2pcp", "content"), 5)
	i := Index(g.c.Header().ManifestBlocks())
	if err := g.s.Forget(i); err != nil {
		t.Fatal(err)
	}
	if err := g.s.ReadBlock(i, 0, make([]byte, 1)); err == nil {
		t.Error("a forgotten block is read")
	}
	if err := g.s.Place(t.Context()); !errors.Is(err, errLacking) {
		t.Errorf("place without a block: %v", err)
	}
	g.finish()
	from.mustEqual(t, g.s.cfg.Target, 0)
}

// entryOf is the number of a path.
func entryOf(c *Content, path string) int {
	for i, e := range c.Manifest().Entries {
		if e.Path == path {
			return i
		}
	}
	panic("no entry " + path)
}

func flipByte(t testing.TB, name string, at int64) {
	t.Helper()
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// TestJournalWithoutContent: killed when all was in place and the journal still there, and the target removed since. Nothing is
// claimed, then and whenever the next one is killed.
func TestJournalWithoutContent(t *testing.T) {
	from := singleSample(t, noise(3*MinBlockSize, 5))
	dir := t.TempDir()
	cfg := StoreConfig{Target: filepath.Join(dir, "target")}
	g := startGet(t, from, cfg)
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 1)))...)
	crash(t, g.s)
	if err := os.Remove(filepath.Join(dir, ".target.p2pcp", contentName)); err != nil {
		t.Fatal(err)
	}
	s := openGet(t, from, cfg).s
	if s.Claims().Count() != 0 {
		t.Errorf("claimed: %v", s.Claims().Spans())
	}
	if bits := journalBits(t, dir, s.journal); len(bytes.Trim(bits, "\x00")) != 0 {
		t.Errorf("the journal claims %x", bits)
	}
	crash(t, s)
	startGet(t, from, cfg).finish()
	from.mustEqual(t, cfg.Target, 0)
}

// journalBits is the bitfield on the disk.
func journalBits(t *testing.T, dir string, j *journal) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, ".target.p2pcp", journalName))
	if err != nil {
		t.Fatal(err)
	}
	return b[j.bitsAt:j.nodesAt[0]]
}
