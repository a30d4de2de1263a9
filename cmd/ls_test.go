package cmd

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"p2pcp/blocks"
)

func sampleManifest() *blocks.Manifest {
	at := time.Date(2026, 11, 1, 2, 3, 4, 5, time.UTC).UnixNano()
	return &blocks.Manifest{Name: "dir", Entries: []blocks.Entry{
		{Kind: blocks.Dir, Mode: 0o755, ModTime: at},
		{Kind: blocks.File, Path: "a\\b\nc", Mode: 0o640, ModTime: at, Size: 3, Root: blocks.Sum([]byte("abc"))},
		{Kind: blocks.File, Path: "esc\x1b[31m", Mode: 0o777, ModTime: at, Size: 12345, Root: blocks.Sum([]byte("x"))},
		{Kind: blocks.Symlink, Path: "link", Mode: 0o777, ModTime: at, Link: "to\twhere"},
		{Kind: blocks.Dir, Path: "sub", Mode: 0, ModTime: -1},
		{Kind: blocks.File, Path: "sub/two words", Mode: 0o644, ModTime: at, Root: blocks.Sum(nil)},
	}}
}

func TestList(t *testing.T) {
	abc, x, none := blocks.Sum([]byte("abc")).String(), blocks.Sum([]byte("x")).String(), blocks.Sum(nil).String()
	for _, c := range []struct {
		name  string
		flags lsFlags
		json  bool
		want  string
	}{
		{name: "plain", want: `
dir/
"dir/a\\b\nc"
"dir/esc\x1b[31m"
dir/link
dir/sub/
dir/sub/two words
`},
		{name: "long", flags: lsFlags{long: true}, want: `
drwxr-xr-x     0 2026-11-01T02:03:04Z dir/
-rw-r-----     3 2026-11-01T02:03:04Z "dir/a\\b\nc"
-rwxrwxrwx 12345 2026-11-01T02:03:04Z "dir/esc\x1b[31m"
lrwxrwxrwx     0 2026-11-01T02:03:04Z dir/link -> "to\twhere"
d---------     0 1969-12-31T23:59:59Z dir/sub/
-rw-r--r--     0 2026-11-01T02:03:04Z dir/sub/two words
`},
		{name: "b3sum", flags: lsFlags{b3sum: true}, want: `
\` + abc + `  dir/a\\b\nc
` + x + "  dir/esc\x1b[31m" + `
` + none + `  dir/sub/two words
`},
		{name: "json", json: true, want: `
{"message_type":"entry","path":"dir","kind":"directory","mode":"0755","mtime":"2026-11-01T02:03:04.000000005Z"}
{"message_type":"entry","path":"dir/a\\b\nc","kind":"file","mode":"0640","mtime":"2026-11-01T02:03:04.000000005Z","bytes":3,"root":"` + abc + `"}
{"message_type":"entry","path":"dir/esc\u001b[31m","kind":"file","mode":"0777","mtime":"2026-11-01T02:03:04.000000005Z","bytes":12345,"root":"` + x + `"}
{"message_type":"entry","path":"dir/link","kind":"symlink","mode":"0777","mtime":"2026-11-01T02:03:04.000000005Z","target":"to\twhere"}
{"message_type":"entry","path":"dir/sub","kind":"directory","mode":"0000","mtime":"1969-12-31T23:59:59.999999999Z"}
{"message_type":"entry","path":"dir/sub/two words","kind":"file","mode":"0644","mtime":"2026-11-01T02:03:04.000000005Z","bytes":0,"root":"` + none + `"}
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, out, _ := newTestApp(t)
			a.json = c.json
			if err := a.list(sampleManifest(), c.flags); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out(); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestListOfOneFile: its path is its name.
func TestListOfOneFile(t *testing.T) {
	m := &blocks.Manifest{Name: "big", Entries: []blocks.Entry{{Kind: blocks.File, Mode: 0o600, Size: 1, Root: blocks.Sum([]byte("x"))}}}
	a, out, _ := newTestApp(t)
	if err := a.list(m, lsFlags{b3sum: true}); err != nil || out() != blocks.Sum([]byte("x")).String()+"  big\n" {
		t.Error(out(), err)
	}
}

// TestListToLostStdout is an error.
func TestListToLostStdout(t *testing.T) {
	a, _, _ := newTestApp(t)
	a.stdout.file.Close()
	if err := a.list(sampleManifest(), lsFlags{}); err == nil || !strings.Contains(err.Error(), "stdout") {
		t.Errorf("got %v", err)
	}
}

func TestLsOfASeed(t *testing.T) {
	l := newSandbox(t)
	l.content()
	ticket, _ := l.seed("src")
	want := "src/\nsrc/empty\nsrc/large\nsrc/link\n\"src/odd\\nname\"\nsrc/one\nsrc/sub/\nsrc/sub/two words\n"
	if got := l.ok("ls", ticket); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := l.ok("ls", "-l", ticket); !strings.Contains(got, "-rw-r--r-- 300000 20") || !strings.Contains(got, "Z src/link -> one\n") {
		t.Errorf("got %s", got)
	}
	l.write("ticket", ticket+"\n")
	sums := l.ok("ls", "--b3sum", "@ticket")
	if n := strings.Count(sums, "\n"); n != 5 {
		t.Errorf("%d lines: %s", n, sums)
	}
	for _, line := range strings.Split(strings.TrimSpace(l.ok("ls", "--json", ticket)), "\n") {
		var m entryMessage
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Type != "entry" {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := exec.LookPath("b3sum"); err != nil {
		t.Skip("b3sum is not installed: its reading of our lines is not checked")
	}
	check := exec.Command("b3sum", "--check")
	check.Dir, check.Stdin = l.dir, strings.NewReader(sums)
	out, err := check.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK") != 5 {
		t.Errorf("b3sum: %v\n%s", err, out)
	}
	l.write("src/one", "x")
	check = exec.Command("b3sum", "--check")
	check.Dir, check.Stdin = l.dir, strings.NewReader(sums)
	if out, err := check.CombinedOutput(); err == nil {
		t.Errorf("b3sum didn't notice:\n%s", out)
	}
}

func TestLsOfOneFile(t *testing.T) {
	l := newSandbox(t)
	l.write("file", "abc")
	ticket, _ := l.seed("--name", "other", "file")
	if got := l.ok("ls", ticket); got != "other\n" {
		t.Errorf("got %q", got)
	}
	if got, sum := l.ok("ls", "--b3sum", ticket), l.ok("hash", "file"); got != strings.Replace(sum, "file", "other", 1) {
		t.Errorf("got %s, want %s", got, sum)
	}
}
