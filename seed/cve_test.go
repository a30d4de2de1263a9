package seed

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"p2pcp/blocks"
)

// CVE-2022-47747 (Kraken): any file could be read through the server. A seed reads what it hashed and nothing else: a file, or a directory
// on its way, that becomes a symlink afterwards gives an error and not a byte of what it points at.
func TestCVE_2022_47747_OnlyWhatWasHashed(t *testing.T) {
	dir := t.TempDir()
	secret := put(t, filepath.Join(dir, "secret/file"), bytes.Repeat([]byte("precious"), 50_000))
	for name, swap := range map[string]func(src string){
		"file": func(src string) {
			must(t, os.Remove(filepath.Join(src, "sub/file")))
			must(t, os.Symlink(secret, filepath.Join(src, "sub/file")))
		},
		"directory": func(src string) {
			must(t, os.RemoveAll(filepath.Join(src, "sub")))
			must(t, os.Symlink(filepath.Dir(secret), filepath.Join(src, "sub")))
		},
	} {
		src := filepath.Join(dir, name)
		put(t, filepath.Join(src, "sub/file"), noise(1, 400_000))
		s := build(t, Options{}, src)
		swap(src)
		c := s.Content()
		for i := c.Header().ManifestBlocks(); i < c.Header().Blocks; i++ {
			p := make([]byte, c.BlockLen(blocks.Index(i)))
			if err := s.ReadBlock(blocks.Index(i), 0, p); err == nil || bytes.Contains(p, []byte("precious")) {
				t.Errorf("%s, block %d: %v, %.20q", name, i, err, p)
			}
		}
	}
}

// CVE-2023-27584 (Dragonfly): one key for all. CVE-2020-28924 (rclone): keys from too small a space. Every key is new, and uses all its bits.
func TestCVE_2023_27584_2020_28924_KeysAreNew(t *testing.T) {
	seen := map[string]bool{}
	var ones, zeros [KeySize]byte
	for range 200 {
		k := NewKey()
		if len(k) != KeySize || seen[string(k)] {
			t.Fatalf("%x came twice", k)
		}
		seen[string(k)] = true
		for i, b := range k {
			ones[i] |= b
			zeros[i] |= ^b
		}
	}
	for i := range ones {
		if ones[i] != 0xff || zeros[i] != 0xff {
			t.Errorf("byte %d has bits that never change", i)
		}
	}
}
