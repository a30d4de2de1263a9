package blocks

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Paths and names by which other tools were left. Each is refused before anything is made; cmd's TestHostileManifests serves the same to a
// real get.
func TestCVEPathsAreRefused(t *testing.T) {
	for _, c := range []struct {
		cve     string
		entries []Entry // after the target's
		name    string  // of the whole; "": target
	}{
		{"CVE-2023-43616 (croc, ../ in an archive)", []Entry{{Kind: Dir, Path: "../x"}}, ""},
		{"CVE-2023-43619 (croc, hidden and extra files)", []Entry{{Kind: Dir, Path: "a/../.ssh"}}, ""},
		{"Zip Slip of croc, 2026", []Entry{{Kind: Dir, Path: "a"}, {Kind: Dir, Path: "a/../../x"}}, ""},
		{"symlink parents of croc, 2026", []Entry{{Kind: Symlink, Path: "l", Link: "d"}, {Kind: File, Path: "l/x", Root: emptyRoot}}, ""},
		{"CVE-2026-42448 (magic-wormhole, basename lost)", nil, "../../etc/cron.d/x"},
		{"CVE-2026-42448 (magic-wormhole, absolute)", nil, "/etc/cron.d/x"},
		{"CVE-2017-1000420 (syncthing, through a symlink)", []Entry{{Kind: Symlink, Path: "l", Link: "/etc"}, {Kind: File, Path: "l/x", Root: emptyRoot}}, ""},
		{"CVE-2024-52522 (rclone, link out)", []Entry{{Kind: Symlink, Path: "l", Link: "../../etc/shadow"}}, ""},
		{"CVE-2026-54572 (rclone, --links writes anywhere)", []Entry{{Kind: Symlink, Path: "l", Link: "/root/.ssh/authorized_keys"}}, ""},
		{"GHSA-945v-v9p3-v5xw (rclone, setuid)", []Entry{{Kind: File, Path: "x", Mode: 0o4755, Root: emptyRoot}}, ""},
		{"CVE-2026-71313 (rclone, name leaves)", []Entry{{Kind: Dir, Path: ".."}}, ""},
		{"CVE-2026-59732 (rclone, archive)", []Entry{{Kind: Dir, Path: "/x"}}, ""},
		{"CVE-2026-71309 (rclone, server)", []Entry{{Kind: Dir, Path: `..\x`}}, ""},
		{"GHSA-8v25 (rclone)", []Entry{{Kind: Dir, Path: "x/."}}, ""},
		{"CVE-2025-22873 (os.Root, ../ at the end)", []Entry{{Kind: Dir, Path: "x"}, {Kind: Dir, Path: "x/../"}}, ""},
		{"CVE-2026-39822 (os.Root, symlink and slash)", []Entry{{Kind: Symlink, Path: "l", Link: "."}, {Kind: Dir, Path: "l/"}}, ""},
	} {
		m := &Manifest{Name: "target", Entries: append([]Entry{{Kind: Dir}}, c.entries...)}
		if c.name != "" {
			m.Name = c.name
		}
		if err := m.Check(MinBlockSize, true); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", c.cve, err)
		}
	}
}

// CVE-2024-52522 (rclone): chmod through a symlink. A link's Entry has a mode and a time too; what it points at keeps its own.
func TestCVE_2024_52522_ModesDontGoThroughLinks(t *testing.T) {
	from := sampleOf(t, map[string][]byte{"file": noise(5, 1)}, nil, map[string]string{"link": "file", "dangling": "nowhere"})
	target := filepath.Join(t.TempDir(), "target")
	startGet(t, from, StoreConfig{Target: target}).finish()
	fi, err := os.Stat(filepath.Join(target, "link"))
	if err != nil || fi.Mode().Perm()&0o022 != 0 {
		t.Errorf("what the link points at: %v, %v", fi.Mode(), err)
	}
}

// CVE-2025-59349 (Dragonfly): MkdirAll takes a directory with whatever mode it has. What is received lies in one that is made 0700, or
// closed; see also TestLockRefusesWhatIsNotOurs.
func TestCVE_2025_59349_PartialDirectoryIsClosed(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o755, 0o750, 0o711} {
		dir := t.TempDir()
		partial := filepath.Join(dir, ".target.p2pcp")
		if mode != 0 {
			mkdirMode(t, partial, mode)
		}
		l, err := lockIn(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Lstat(partial); err != nil || fi.Mode() != os.ModeDir|0o700 {
			t.Errorf("mode %o: %v, %v", mode, fi.Mode(), err)
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
}

// CVE-2025-59354 (Dragonfly): content was checked by a weak hash, or not. One bit wrong anywhere in any Block is refused.
func TestCVE_2025_59354_EveryBitCounts(t *testing.T) {
	from := sampleOf(t, map[string][]byte{"large": noise(3*MinBlockSize+5, 1), "small": noise(100, 2)}, nil, nil)
	c := from.content
	for i := range c.Header().Blocks {
		index := Index(i)
		b := from.block(index)
		if i < c.Header().ManifestBlocks() {
			b = make([]byte, c.BlockLen(index))
			if err := c.ReadManifest(index, 0, b); err != nil {
				t.Fatal(err)
			}
		}
		if !c.Check(index, b) {
			t.Fatalf("block %d is wrong from the start", i)
		}
		for at := 0; at < len(b); at += 1 + len(b)/50 {
			b[at] ^= 1 << (at % 8)
			if c.Check(index, b) {
				t.Errorf("block %d: byte %d may differ", i, at)
			}
			b[at] ^= 1 << (at % 8)
		}
	}
}
