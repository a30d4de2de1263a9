package cmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVerifyAgainstASeed(t *testing.T) {
	l := newSandbox(t)
	l.content()
	ticket, _ := l.seed("src")
	root := l.ok("ticket", "show", ticket)[len("id         "):][:8]
	if got := l.ok("verify", ticket, "src"); got != "ok src "+root+"\n" {
		t.Errorf("got %s", got)
	}
	if err := os.Rename(l.dir+"/src", l.dir+"/there"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(l.dir + "/there/large")
	if err != nil {
		t.Fatal(err)
	}
	l.write("there/large", strings.Repeat("large ", 49999)+"Large ")
	if err := os.Chtimes(l.dir+"/there/large", time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(l.dir + "/there/sub"); err != nil {
		t.Fatal(err)
	}
	l.write("there/new\x1bname", "")
	out, errs, code := l.run("verify", ticket, "there")
	want := "differs there/large\nextra \"there/new\\x1bname\"\nmissing there/sub\nmissing there/sub/two words\n"
	if code != exitIntegrity || out != want {
		t.Errorf("exit %d, got %s\nwant %s", code, out, want)
	}
	if !strings.Contains(errs, "p2pcp: error: there is not what the ticket names: 1 path differs, 2 paths are missing, 1 path is extra\n") ||
		!strings.Contains(errs, "p2pcp: finished command=verify") || strings.Contains(errs, "\x1b") {
		t.Errorf("stderr %s", errs)
	}
	out, _, code = l.run("verify", "--json", ticket, "nowhere")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var m verifyMessage
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil || code != exitIntegrity || m.OK || m.Missing != 8 || m.Type != "result" {
		t.Errorf("exit %d, %v, %+v", code, err, m)
	}
}

// hintOf is what a failed command says to do next.
func hintOf(t *testing.T, errs string) string {
	t.Helper()
	_, hint, ok := strings.Cut(errs, "p2pcp: hint: ")
	if !ok || strings.Count(hint, "\n") != 1 {
		t.Errorf("no hint in %s", errs)
	}
	return strings.TrimSuffix(hint, "\n")
}

// TestVerifyHints: the command that the hint names does what it says, and a wrong path isn't taken for damage.
func TestVerifyHints(t *testing.T) {
	l := newSandbox(t)
	l.content()
	ticket, _ := l.seed("src")
	l.write("ticket", ticket+"\n")
	for _, path := range []string{"no where", "none/"} {
		out, errs, code := l.run("verify", "-q", ticket, path)
		want := "to fetch it: p2pcp get TICKET -o " + shellWord(l.path(strings.TrimSuffix(path, "/")))
		if hint := hintOf(t, errs); code != exitIntegrity || !strings.Contains(errs, `there is no "`+path+`"`) || hint != want || strings.Count(out, "missing ") != 8 {
			t.Errorf("%s: exit %d, %s, want %s\n%s", path, code, hint, want, out)
		}
	}
	for _, path := range []string{".", l.dir, l.dir + "/"} {
		out, errs, code := l.run("verify", "-q", ticket, path)
		want := "did you mean " + filepath.Join(path, "src") + "?"
		if hint := hintOf(t, errs); code != exitIntegrity || hint != want || out != "differs "+filepath.Clean(path)+"\n" {
			t.Errorf("%s: exit %d, %s, want %s\n%s", path, code, hint, want, out)
		}
	}
	l.ok("get", "-q", ticket, "-o", "a copy", "--listen", "127.0.0.1", "--linger", "0")
	mend := func(want string) {
		t.Helper()
		_, errs, code := l.run("verify", "-q", "@ticket", "a copy/")
		what, command, _ := strings.Cut(hintOf(t, errs), ": ")
		if code != exitIntegrity || what != want {
			t.Fatalf("exit %d, %s", code, errs)
		}
		c := l.command()
		again := exec.Command("sh", "-c", command+" -q --listen 127.0.0.1 --linger 0")
		again.Dir, again.Env = c.Dir, c.Env
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		l.ok("verify", ticket, "a copy")
	}
	l.poke("a copy/large", 5) // of the right size and time
	mend("to replace what differs")
	l.write("a copy/more", "x")
	mend("to remove what is extra")
	l.poke("a copy/large", 5)
	l.write("a copy/more", "x")
	mend("to replace what differs and remove what is extra")
}
