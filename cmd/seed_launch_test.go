package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSeedRun: the launcher has the ticket in three ways, stdout is its own, and the worst of all codes is returned.
func TestSeedRun(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 300_000)
	l.write("other", "x")
	run := func(want int, command string, args ...string) (out, errs string) {
		t.Helper()
		out, errs, code := l.run(append([]string{"seed", "--listen", "127.0.0.1", "a.bin", "--run", command}, args...)...)
		if code != want {
			t.Errorf("%s: exit %d, want %d\n%s%s", command, code, want, out, errs)
		}
		return out, errs
	}
	out, _ := run(0, `read t; [ "$t" = {} ] && [ "$t" = "$P2PCP_TICKET" ] && p2pcp status -q "$t" >/dev/null && echo good`)
	if out != "good\n" {
		t.Errorf("stdout %q", out)
	}
	if out, _ = run(0, "p2pcp get -q {} -o b --linger 0; p2pcp get -q - -o b --linger 0"); out != l.changed("b", content)+l.unchanged("b", content) {
		t.Errorf("stdout %q", out)
	}
	run(7, "exit 7")
	run(exitGoal, "true", "--expect", "1")
	run(128+9, "kill -9 $$", "--expect", "1")
	// A host's failure counts where the launcher hides it, and no more once it is mended.
	_, errs := run(exitExists, "p2pcp get -q {} -o other; true")
	if !strings.Contains(errs, "exit code 0; 1 host failed, 0 lost") {
		t.Error(errs)
	}
	run(0, "p2pcp get -q {} -o other; p2pcp get -q {} -o other --force --linger 0")
	// Who begins without waiting is waited for.
	if out, errs = run(0, "for i in 1 2 3; do p2pcp get --no-wait -q {} -o n$i; done", "--limit", "300K"); !strings.Contains(errs, "3/3 hosts done") {
		t.Errorf("%s%s", out, errs)
	}
	l.ok("stop", "--all")
	for _, args := range [][]string{{"--run", " "}, {"--run", "true", "-d"}, {"--run", "true", "--json"}} {
		if _, errs, code := l.run(append([]string{"seed", "a.bin"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}

// TestSeedRunEndsWithASignal: both end, and what the launcher has started too, whatever it ignores.
func TestSeedRunEndsWithASignal(t *testing.T) {
	l := newSandbox(t)
	l.write("a", "x")
	for _, c := range []struct {
		trap string
		sig  syscall.Signal
		code int
	}{{"", syscall.SIGINT, exitInterrupt}, {"trap '' INT TERM; ", syscall.SIGTERM, exitTerminated}} {
		b := l.start("seed", "--listen", "127.0.0.1", "a", "--run", c.trap+"sleep 60 | sh -c 'echo $$; exec sleep 60'")
		pid := b.line(t)
		begin := time.Now()
		b.end(c.sig)
		if code := b.cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("exit %d, want %d", code, c.code)
		}
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("it took %s", took)
		}
		if cmdline, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && strings.HasPrefix(string(cmdline), "sleep") {
			t.Errorf("process %s still runs: %q", pid, cmdline)
		}
	}
}

func TestLineWriter(t *testing.T) {
	var got []string
	w := &lineWriter{emit: func(s string) { got = append(got, s) }}
	for _, s := range []string{"a", "b\nc\r\n", "", "\nd"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	w.flush()
	w.flush()
	if s := strings.Join(got, "|"); s != "ab|c||d" {
		t.Error(s)
	}
	(*lineWriter)(nil).flush()
}
