package cmd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"p2pcp/blocks"
)

// hostileManifest is one that must be refused: why, and which path is to be named.
type hostileManifest struct {
	name    string
	entries []blocks.Entry      // after the target's own
	called  string              // the whole; "": src
	change  func([]byte) []byte // of the bytes
	names   string              // what the error must name, quoted
}

// hostileManifests are the ways out of the target that archives and their likes have had, and what else isn't a name.
func hostileManifests() []hostileManifest {
	long := strings.Repeat("x", 255)
	dirs := func(depth int) (all []blocks.Entry) {
		for n := 1; n <= depth; n++ {
			all = append(all, someDir(strings.Repeat("/"+long, n)[1:]))
		}
		return all
	}
	escape := func(path string) hostileManifest {
		return hostileManifest{name: strconv.QuoteToASCII(path), entries: []blocks.Entry{emptyFile(path)}, names: path}
	}
	list := []hostileManifest{
		escape("/etc/p2pcp-was-here"), escape("../outside"), escape(".."), escape("."), escape("./x"), escape("x/"),
		escape("x//y"), escape(`..\outside`), escape("x\x00y"), escape("x\xff"), escape("nowhere/x"), escape("x" + long),
		{name: "dotdot behind a directory", entries: []blocks.Entry{someDir("a"), emptyFile("a/../../outside")}, names: "a/../../outside"},
		{name: "slash at a directory's end", entries: []blocks.Entry{someDir("a/")}, names: "a/"},
		{name: "4 KiB of components", entries: dirs(17)},
		{name: "absolute symlink", entries: []blocks.Entry{symlink("l", "/etc")}, names: "l"},
		{name: "symlink out", entries: []blocks.Entry{symlink("l", "../outside")}, names: "l"},
		{name: "symlink out by a name", entries: []blocks.Entry{someDir("a"), symlink("l", "a/../../outside")}, names: "l"},
		{name: "symlink out of a directory", entries: []blocks.Entry{someDir("a"), symlink("a/l", "../../outside")}, names: "a/l"},
		{name: "symlink, then a file through it", entries: []blocks.Entry{symlink("l", "sub"), emptyFile("l/x"), someDir("sub")}, names: "l/x"},
		{name: "symlink, then a directory of its name", entries: []blocks.Entry{symlink("l", "sub"), someDir("l"), someDir("sub")}, names: "l"},
		{name: "directory, then a symlink of its name", entries: []blocks.Entry{someDir("l"), symlink("l", "."), emptyFile("l/x")}, names: "l"},
		{name: "file as a parent", entries: []blocks.Entry{emptyFile("f"), emptyFile("f/x")}, names: "f/x"},
		{name: "twice", entries: []blocks.Entry{emptyFile("f"), emptyFile("f")}, names: "f"},
		{name: "file and directory", entries: []blocks.Entry{emptyFile("f"), someDir("f")}, names: "f"},
		{name: "the target twice", entries: []blocks.Entry{someDir("")}},
		{name: "out of order", entries: []blocks.Entry{emptyFile("b"), emptyFile("a")}, names: "a"},
		{name: "symlink with a NUL", entries: []blocks.Entry{symlink("l", "a\x00b")}, names: "l"},
		{name: "name with escapes", entries: []blocks.Entry{emptyFile("\x1b]0;pwned\x07/../x")}, names: "\x1b]0;pwned\x07/../x"},
	}
	for _, called := range []string{"..", ".", "../outside", "/etc/passwd", "a/b", `a\b`, "a\x00b", "\xff"} {
		list = append(list, hostileManifest{name: "called " + strconv.QuoteToASCII(called), called: called})
	}
	for _, mode := range []uint16{0o4755, 0o2755, 0o1777, 0o7777, 0xffff} {
		e := emptyFile("f")
		e.Mode = mode
		list = append(list, hostileManifest{name: fmt.Sprintf("mode %o", mode), entries: []blocks.Entry{e}, names: "f"})
	}
	for _, kind := range []blocks.Kind{0, 4, 5, 255} { // a device, a fifo, a socket have none
		e := someDir("dev")
		e.Kind = kind
		list = append(list, hostileManifest{name: fmt.Sprintf("kind %d", kind), entries: []blocks.Entry{e}, names: "dev"})
	}
	return append(list,
		hostileManifest{name: "bytes left over", change: func(b []byte) []byte { return append(b, 0) }},
		hostileManifest{name: "cut short", entries: []blocks.Entry{emptyFile("f")}, change: func(b []byte) []byte { return b[:len(b)-1] }},
		hostileManifest{name: "claims 2^24 entries", change: func(b []byte) []byte {
			head := len("p2pcpM1\n") + 1 + len("src")
			return append(binary.AppendUvarint(bytes.Clone(b[:head]), 1<<24), b[head+1:]...)
		}},
		hostileManifest{name: "claims 2^63 zero ranges", entries: []blocks.Entry{emptyFile("f")}, change: func(b []byte) []byte {
			return append(bytes.Clone(b[:len(b)-1]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
		}},
		hostileManifest{name: "other magic", change: func(b []byte) []byte { return append([]byte("PK\x03\x04"), b[4:]...) }},
	)
}

// A real get from a real seed that is hostile: refused with exit 9 in two lines, the path named in quotes, and nothing written
// anywhere, not even where the content should have gone.
func TestHostileManifests(t *testing.T) {
	l := newSandbox(t)
	l.write("outside", "as it was")
	for _, c := range hostileManifests() {
		t.Run(c.name, func(t *testing.T) {
			m := &blocks.Manifest{Name: "src", Entries: append([]blocks.Entry{someDir("")}, c.entries...)}
			if c.called != "" {
				m.Name = c.called
			}
			word := seedAnything(t, m, c.change)
			l.check(os.Mkdir(l.path("to"), 0o755))
			defer os.RemoveAll(l.path("to"))
			// ls and a dry run refuse it as well.
			for _, words := range [][]string{{"get", "-q", "-o", "to/", word}, {"ls", word}, {"get", "-q", "-n", "-o", "to/", word}} {
				out, errs, code := l.run(words...)
				if code != exitIntegrity || out != "" || strings.Count(errs, "\n") != 2 {
					t.Errorf("%s: exit %d %s%s", words[0], code, out, errs)
				}
				if want := strconv.Quote(c.names); c.names != "" && !strings.Contains(errs, want) {
					t.Errorf("%s doesn't name %s: %s", words[0], want, errs)
				}
				mustBeTame(t, errs)
			}
			if got := l.names("to"); got != "" {
				t.Errorf("left %q", got)
			}
		})
	}
	l.holds("outside", []byte("as it was"))
	if got := l.names("."); got != "cache outside tmp" {
		t.Errorf("made %q", got)
	}
	if _, err := os.Lstat("/etc/p2pcp-was-here"); err == nil {
		t.Error("written outside")
	}
}

// mustBeTame fails if text would do anything to a terminal but print lines.
func mustBeTame(t *testing.T, text string) {
	t.Helper()
	if !printable(strings.ReplaceAll(text, "\n", " ")) {
		t.Errorf("not printable: %q", text)
	}
}

// A million entries of which the last escapes: nothing is made, and memory stays in proportion to the Manifest.
func TestMillionHostileEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("a Manifest of 17 MB")
	}
	l := newSandbox(t)
	m := &blocks.Manifest{Name: "src", Entries: make([]blocks.Entry, 1, 1_000_001)}
	m.Entries[0] = someDir("")
	for i := range 999_999 {
		m.Entries = append(m.Entries, someDir(strconv.Itoa(1_000_000+i)))
	}
	m.Entries = append(m.Entries, someDir("9/../../outside"))
	word := seedAnything(t, m, nil)
	errs := l.fails(exitIntegrity, word, "-o", "to/")
	if !strings.Contains(errs, `"9/../../outside"`) {
		t.Errorf("stderr %s", errs)
	}
	if _, err := os.Lstat(l.path("to")); err == nil {
		t.Error("something was made: ", l.names("to"))
	}
}

// Names that are allowed and ugly arrive as they are, inside the target, and never reach a terminal raw: not in results, errors,
// progress, ls, status, verify, --json or -vv.
func TestUglyNamesAreQuotedEverywhere(t *testing.T) {
	l := newSandbox(t)
	ugly := []string{
		"\x1b[2J\x1b]0;owned\x07", "new\nline", "carriage\rreturn", "tab\t", "del\x7f", "csi\u009b31m", "rtl\u202eexe.txt", "zero\u200bwidth",
		"nbsp\u00a0", "line\u2028sep", "-rf", "$(reboot)", "`reboot`", "%s%n", "CON", "NUL", "aux.txt", "C:", "~", "*", " lead", "trail ", "\"q\"",
		"A", "a", "é", "e\u0301", "ﬁ", "K", "\u212a", strings.Repeat("ÿ", 127), "...", "..x", ".p2pcp", ".src.p2pcp", "\U0001F4A9", "\ufeffbom", "\ue000",
	}
	const name = "ugly \x1b[31m\u009b\u202ename\n"
	m := &blocks.Manifest{Name: name, Entries: []blocks.Entry{someDir(""), symlink("link\x1b", "to\x1b[0m\u202e")}}
	for _, n := range ugly {
		m.Entries = append(m.Entries, emptyFile(n))
	}
	m.Sort()
	word := seedAnything(t, m, nil)
	tame := func(wantCode int, words ...string) string {
		t.Helper()
		out, errs, code := l.run(words...)
		if code != wantCode {
			t.Errorf("%q: exit %d %s%s", words, code, out, errs)
		}
		mustBeTame(t, out)
		mustBeTame(t, errs)
		return out + errs
	}
	get := []string{"get", "--listen", "127.0.0.1", "--linger", "0", "-o", "to/"}
	tame(exitOK, append(get, "-n", word)...)
	tame(exitOK, append(get, "-vv", word)...)
	for _, n := range ugly {
		if b, err := os.ReadFile(filepath.Join(l.path("to"), name, n)); err != nil || len(b) != 0 {
			t.Errorf("%q: %v", n, err)
		}
	}
	tame(exitOK, append(get, "--json", "-vv", "--checksum", word)...)
	for _, words := range [][]string{{"ls"}, {"ls", "-l"}, {"ls", "--json"}, {"status"}, {"status", "--json"}, {"status", "-v"}} {
		tame(exitOK, append(words, word)...)
	}
	target := filepath.Join(l.path("to"), name)
	tame(exitOK, "verify", word, target)
	l.check(os.WriteFile(filepath.Join(target, ugly[0]), []byte("x"), 0o600))
	l.check(os.WriteFile(filepath.Join(target, "extra\x1b[0m"), []byte("x"), 0o600))
	tame(exitIntegrity, "verify", word, target)
	tame(exitIntegrity, "verify", "--json", word, target)
	tame(exitExists, append(get, word)...)
	tame(exitExists, append(get, "--json", word)...)
	tame(exitExists, append(get, "--force", word)...)
	tame(exitOK, "hash", "--json", target)
	l.check(os.RemoveAll(target))
	l.check(os.WriteFile(target, []byte("a file"), 0o600))
	tame(exitExists, append(get, word)...)
	tame(exitOK, append(get, "--force", word)...)
}
