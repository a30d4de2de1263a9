package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// detachedIsClean runs a command with -d and looks at the process that stays.
func detachedIsClean(l *sandbox, args []string, clean func(what, text string)) {
	l.t.Helper()
	out, errs, code := l.run(args...)
	clean("-d", out+errs)
	if code != exitOK {
		l.t.Fatalf("%v: exit %d %s", args[:2], code, errs)
	}
	found := 0
	files, err := filepath.Glob(l.path("tmp/p2pcp-*/*-*"))
	l.check(err)
	for _, f := range files {
		_, pid, _ := strings.Cut(filepath.Base(f), "-")
		for _, name := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile("/proc/" + pid + "/" + name)
			if err != nil && !errors.Is(err, os.ErrPermission) {
				l.t.Fatal(err)
			}
			clean(name, string(b))
			found++
		}
	}
	if found == 0 {
		l.t.Fatal("no process was found")
	}
	l.ok("stop", "--all")
}

// dumpProbe prints what keeps a process of ours from leaving a core dump.
func dumpProbe() int {
	noDumps()
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var r unix.Rlimit
	fmt.Println(dumpable, err, unix.Getrlimit(unix.RLIMIT_CORE, &r), r.Cur, r.Max)
	return 0
}

func TestNoCoreDumps(t *testing.T) {
	l := newSandbox(t)
	probe := exec.Command("dumps")
	if out, err := probe.Output(); err != nil || string(out) != "0 <nil> <nil> 0 0\n" {
		t.Errorf("%s %v", out, err)
	}
	dumped := func(script string, args ...string) bool {
		c := exec.Command("sh", append([]string{"-c", "rm -f core*; ulimit -c unlimited; " + script}, args...)...)
		c.Dir, c.Env = l.dir, append(l.command().Env, "GOTRACEBACK=crash")
		out, err := c.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
			t.Fatalf("%s: %v %s", script, err, out)
		}
		return exit.Sys().(syscall.WaitStatus).CoreDump()
	}
	if !dumped("kill -SEGV $$") {
		t.Skip("this system makes no core dumps: that ours doesn't would show nothing")
	}
	l.write("a", "content")
	// It aborts itself, with a dump, were it not forbidden: crash says so to Go's runtime.
	if dumped(`exec p2pcp seed -q --listen 127.0.0.1 a 2>/dev/null >line & p=$!; while [ ! -s line ]; do sleep 0.05; done; kill -SEGV $p; wait $p; n=$?; [ $n -gt 128 ] || exit 1; ls core* >/dev/null 2>&1 && exit 2; kill -KILL $$`) {
		t.Error("dumped")
	}
	for name := range strings.FieldsSeq(l.names(".")) {
		if strings.HasPrefix(name, "core") && name != "core" {
			t.Error("there is " + name)
		}
	}
}
