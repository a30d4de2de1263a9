package cmd

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/seed"
)

// noise is size bytes that don't compress, the same for the same seed.
func noise(seed byte, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// file makes a file of noise and returns it.
func (l *sandbox) file(name string, seed byte, size int) []byte {
	l.t.Helper()
	b := noise(seed, size)
	l.write(name, string(b))
	return b
}

func (l *sandbox) path(name string) string { return filepath.Join(l.dir, name) }

// poke changes one byte of a file and keeps its time.
func (l *sandbox) poke(name string, offset int64) {
	l.t.Helper()
	st, err := os.Stat(l.path(name))
	l.check(err)
	f, err := os.OpenFile(l.path(name), os.O_RDWR, 0)
	l.check(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], offset)
	l.check(err)
	b[0]++
	_, err = f.WriteAt(b[:], offset)
	l.check(err)
	l.check(os.Chtimes(l.path(name), time.Time{}, st.ModTime()))
}

func (l *sandbox) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// get runs get on loopback.
func (l *sandbox) get(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	return l.run(append([]string{"get", "--listen", "127.0.0.1"}, args...)...)
}

// gets is a get that must end with a code and print exactly stdout. It returns stderr.
func (l *sandbox) gets(wantCode int, wantOut string, args ...string) string {
	l.t.Helper()
	out, errs, code := l.get(args...)
	if code != wantCode || out != wantOut {
		l.t.Fatalf("get %s: exit %d, want %d; stdout %q, want %q\n%s", strings.Join(args, " "), code, wantCode, out, wantOut, errs)
	}
	return errs
}

// fails is a get that must end with a code, nothing on stdout, and with -q just the two lines that it returns.
func (l *sandbox) fails(wantCode int, args ...string) string {
	l.t.Helper()
	errs := l.gets(wantCode, "", append([]string{"-q"}, args...)...)
	lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "p2pcp: error: ") || !strings.HasPrefix(lines[1], "p2pcp: hint: ") {
		l.t.Fatalf("get %s: not an error and a hint:\n%s", strings.Join(args, " "), errs)
	}
	return errs
}

// getJSON is a get --json that must succeed.
func (l *sandbox) getJSON(args ...string) resultMessage {
	l.t.Helper()
	out, errs, code := l.get(append([]string{"--json"}, args...)...)
	if code != exitOK {
		l.t.Fatalf("get %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return resultOf(l.t, out)
}

// resultOf finds the result among JSON lines, all of which must be objects with a type.
func resultOf(t *testing.T, out string) resultMessage {
	t.Helper()
	var found []resultMessage
	for _, m := range jsonLines(t, out) {
		var r resultMessage
		if m["message_type"] == "result" {
			if err := json.Unmarshal([]byte(jsonLine(m)), &r); err != nil {
				t.Fatal(err)
			}
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d results in\n%s", len(found), out)
	}
	return found[0]
}

// jsonLines parses lines, each an object with a message_type.
func jsonLines(t *testing.T, out string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || m["message_type"] == nil {
			t.Fatalf("not a JSON message (%v): %s", err, line)
		}
		all = append(all, m)
	}
	return all
}

// changed and unchanged are the line of get for a file of the sandbox.
func (l *sandbox) changed(name string, content []byte) string {
	return "changed " + l.path(name) + " " + blocks.Sum(content).Short() + "\n"
}

func (l *sandbox) unchanged(name string, content []byte) string {
	return "un" + l.changed(name, content)
}

// holds fails unless a file has exactly this content.
func (l *sandbox) holds(name string, want []byte) {
	l.t.Helper()
	got, err := os.ReadFile(l.path(name))
	l.check(err)
	if !bytes.Equal(got, want) {
		l.t.Fatalf("%s holds %d bytes that aren't the %d expected", name, len(got), len(want))
	}
}

// names lists a directory.
func (l *sandbox) names(dir string) string {
	l.t.Helper()
	list, err := os.ReadDir(l.path(dir))
	l.check(err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// listing describes all that is in a tree: path, mode, time, link or hash.
func listing(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		what := ""
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what = blocks.Sum(content).Short()
		case info.Mode()&fs.ModeSymlink != 0:
			if what, err = os.Readlink(path); err != nil {
				return err
			}
		}
		b.WriteString(jsonLine([]any{rel, info.Mode().String(), info.ModTime().UnixNano(), what}) + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// within waits until ok, and fails the test after a limit that only a fault reaches.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// stderr is what a background process has said so far.
func (b *background) stderr(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(b.errs)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// says waits for a text on stderr.
func (b *background) says(t *testing.T, text string) {
	t.Helper()
	within(t, 20*time.Second, "stderr says "+text, func() bool { return strings.Contains(b.stderr(t), text) })
}

// exits ends a process by a signal (0: waits) and returns its code and the time it took.
func (b *background) exits(t *testing.T, s syscall.Signal) (code int, took time.Duration) {
	t.Helper()
	begun := time.Now()
	b.end(s)
	if b.cmd.ProcessState == nil {
		t.Fatal("process has no end")
	}
	return b.cmd.ProcessState.ExitCode(), time.Since(begun)
}

func parseTicket(t *testing.T, word string) seed.Ticket {
	t.Helper()
	ticket, err := seed.ParseTicket(word)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// freePort is a port outside the range in which other tests' processes look for one.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
