package cmd

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdCode is "code N PROGRAM ARG...": the exit code is exactly N. stdout and stderr go to the files "out" and "err".
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Fatalf("%v", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(ts.ReadFile("stdout")), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(ts.ReadFile("stderr")), 0o600))
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdWidth is "width FILE N": no line of FILE is wider than N columns, and there are no tabs.
func cmdWidth(ts *testscript.TestScript, neg bool, args []string) {
	limit, err := strconv.Atoi(args[1])
	ts.Check(err)
	for _, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if lipgloss.Width(line) > limit || strings.Contains(line, "\t") {
			ts.Fatalf("too wide (%d): %s", lipgloss.Width(line), line)
		}
	}
}

// cmdLines is "lines FILE N": FILE has exactly N lines.
func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := strings.Count(ts.ReadFile(args[0]), "\n"); got != want {
		ts.Fatalf("%s has %d lines, want %d", args[0], got, want)
	}
}

// cmdWaitFile is "wait4 FILE": until FILE is there and not empty.
func cmdWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	for range 1000 {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	ts.Fatalf("%s didn't come", args[0])
}

// cmdDirLen is "dirlen DIR N": DIR holds exactly N names.
func cmdDirLen(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	names, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != want {
		ts.Fatalf("%s holds %v, want %d names", args[0], names, want)
	}
}
