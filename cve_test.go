package main

import (
	"go/version"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Failures of other tools that the choice of what is imported makes impossible: nobody here can repeat them without this test saying so.
func TestCVEImports(t *testing.T) {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	all := imports(t, os.DirFS(root))
	for _, c := range []struct {
		cve, why string
		in       []string // packages; nil: all that are shipped
		never    []string
		but      []string
	}{
		{cve: "CVE-2020-28924", why: "keys from a weak generator", in: []string{"seed", "internal/port"}, never: []string{"math/rand", "math/rand/v2"}},
		{cve: "GHSA-32gq-x56h-299c", why: "names that become programs", never: []string{"os/exec", "plugin"}, but: []string{"cmd", "internal/fleet"}},
		{
			cve: "GHSA-mfvx-7rcj-9m5g, CVE-2026-41176, CVE-2026-41179, CVE-2026-49980", why: "a control API or profiler that listens",
			never: []string{"net/http", "net/http/pprof", "net/rpc", "expvar"},
		},
		{
			cve: "CVE-2023-43616, Zip Slip of 2026", why: "an archive's own names are unpacked",
			never: []string{"archive/zip", "archive/tar", "compress/gzip", "compress/flate"}, but: []string{"internal/fleet"}, // it packs a program
		},
		{cve: "CVE-2025-59354", why: "weak checks of content", never: []string{"crypto/md5", "crypto/sha1", "hash/crc32", "hash/adler32"}},
	} {
		for dir, list := range all {
			shipped := dir != "internal/lab" && !strings.HasPrefix(dir, "internal/bench") && dir != "internal/hostile" && dir != "internal/release"
			if !shipped || c.in != nil && !slices.Contains(c.in, dir) || slices.Contains(c.but, dir) {
				continue
			}
			for _, p := range list {
				if slices.Contains(c.never, p) {
					t.Errorf("%s (%s): %s imports %s", c.cve, c.why, dir, p)
				}
			}
		}
	}
}

// os.Root itself let paths out: CVE-2025-22873 (../ at the end), CVE-2026-32282 (Root.Chmod raced), CVE-2026-39822 (a symlink and a
// slash). Go 1.26.5 has mended all of them; nothing older builds this.
func TestCVEGoVersion(t *testing.T) {
	b, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(b)
	if m == nil || version.Compare("go"+string(m[1]), "go1.26.5") < 0 {
		t.Errorf("go.mod allows %q", m)
	}
}
