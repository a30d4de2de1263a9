package cmd

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/seed"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test program be p2pcp, for scripts and for processes that start themselves again.
func TestMain(m *testing.M) {
	// Most tests wait for processes that wait for each other: more of them fit on a core.
	if f := flag.Lookup("test.parallel"); f != nil {
		_ = f.Value.Set(strconv.Itoa(4 * runtime.GOMAXPROCS(0)))
	}
	testscript.Main(m, map[string]func(){
		"p2pcp":  func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"detach": func() { os.Exit(detachProbe(os.Args[1:])) },
		"dumps":  func() { os.Exit(dumpProbe()) },
	})
}

// TestScripts runs the command lines of testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LC_ALL", "C.UTF-8")
			// The race detector keeps each process for a second otherwise.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			tmp := filepath.Join(env.WorkDir, "tmp")
			env.Setenv("TMPDIR", tmp)
			env.Setenv("UID", strconv.Itoa(os.Geteuid()))
			env.Setenv("XDG_RUNTIME_DIR", "")
			env.Setenv("KEYED", testTicket().String())
			files := map[string]string{
				"t":         testTicket().String() + "\nport 7700\n",
				"keyed.txt": showTicket(testTicket()).text() + "\n",
				"long":      strings.Repeat("a", 5000),
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return os.MkdirAll(tmp, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":   cmdCode,
			"width":  cmdWidth,
			"lines":  cmdLines,
			"wait4":  cmdWaitFile,
			"dirlen": cmdDirLen,
		},
	})
}

// testTicket is one with a key and an address.
func testTicket() seed.Ticket {
	return seed.Ticket{
		ID:    blocks.Sum([]byte("content")),
		Key:   []byte("0123456789abcdef"),
		Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:7700")},
	}
}

// newTestApp is an app that prints into files, and no terminal.
func newTestApp(t *testing.T, args ...string) (a *app, out, errs func() string) {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) (*os.File, func() string) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f, func() string {
			b, err := os.ReadFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	stdout, out := open("stdout")
	stderr, errs := open("stderr")
	ctx, cancel := context.WithCancelCause(t.Context())
	a = &app{
		args: args, stdin: nil, stdout: &stream{file: stdout, lost: cancel}, stderr: &stream{file: stderr, lost: cancel},
		env: func(string) (string, bool) { return "", false }, ctx: ctx, cancel: cancel,
		log: slog.New(slog.NewTextHandler(io.Discard, nil)), interval: time.Minute,
	}
	a.screen = &screen{w: a.stderr}
	a.signals = &signalWatch{app: a}
	return a, out, errs
}
