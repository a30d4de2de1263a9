//go:build !race

package cmd

import (
	"os"
	"strconv"
	"syscall"
	"testing"

	"p2pcp/blocks"
)

// manifestMost is how many bytes a process may take for a Manifest of a million entries: its own 17 MB, and what they are parsed into.
const manifestMost = 600 << 20

// A million entries, well or not, take memory in proportion: of who gets them and of who seeds them.
func TestMillionEntriesAreFrugal(t *testing.T) {
	if testing.Short() {
		t.Skip("a Manifest of 17 MB")
	}
	l := newSandbox(t)
	frugal := func(what string, code int, args ...string) {
		t.Helper()
		c := l.command(args...)
		said, _ := c.CombinedOutput()
		if got := c.ProcessState.ExitCode(); got != code {
			t.Errorf("%s: exit %d: %.500s", what, got, said)
		}
		used := int64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10
		if used > manifestMost {
			t.Errorf("%s: %d MiB", what, used>>20)
		}
		t.Logf(`RELIABILITY {"kind":"attack","name":"a Manifest of a million entries%s","result":"exit %d, %d MiB at most","test":"TestMillionEntriesAreFrugal"}`, what, code, used>>20)
	}
	m := &blocks.Manifest{Name: "src", Entries: make([]blocks.Entry, 1, 1_000_001)}
	m.Entries[0] = someDir("")
	for i := range 999_999 {
		m.Entries = append(m.Entries, someDir(strconv.Itoa(1_000_000+i)))
	}
	for name, last := range map[string]blocks.Entry{"": someDir("9"), ", the last escapes": someDir("9/../../outside")} {
		m.Entries = append(m.Entries[:1_000_000], last)
		code := exitOK
		if name != "" {
			code = exitIntegrity
		}
		frugal(name+": get -n", code, "get", "-q", "-n", "--listen", "127.0.0.1", "-o", "to/", seedAnything(t, m, nil))
	}
	if _, err := os.Lstat(l.path("to")); err == nil {
		t.Error("something was made")
	}
}
