package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// writeManPages writes a page for each command into dir. It is no part of the program: 'make man' runs the test below.
func writeManPages(t *testing.T, dir string) *cobra.Command {
	t.Helper()
	a, _, _ := newTestApp(t)
	root := newRoot(a)
	root.DisableAutoGenTag = true
	root.Long += "\n\n# EXIT STATUS\n\n" + manExitCodes() +
		"\n# ENVIRONMENT\n\nEach long flag may come from the environment: **--listen** from **P2PCP_LISTEN**.\n"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := doc.GenManTreeFromOpts(root, doc.GenManTreeOptions{
		Header: &doc.GenManHeader{Section: "1", Source: "p2pcp", Manual: "p2pcp"}, Path: dir, CommandSeparator: "-",
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// manExitCodes is the table of exit codes.
func manExitCodes() string {
	var b strings.Builder
	for _, row := range exitTable {
		again := ""
		if row.Again {
			again = " (the same command may succeed later, and resumes)"
		}
		fmt.Fprintf(&b, "**%d** %s%s\n\n", row.Code, row.Meaning, again)
	}
	return b.String()
}

// TestManPages: a page a command, with its flags and example, that man can show. P2PCP_MAN says where to leave them.
func TestManPages(t *testing.T) {
	dir := os.Getenv("P2PCP_MAN")
	if dir == "" {
		dir = t.TempDir()
	}
	root := writeManPages(t, dir)
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				each(sub)
			}
		}
		name := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		page, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			return
		}
		for _, want := range []string{".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", c.Short} {
			if !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if man, err := exec.LookPath("groff"); err == nil {
			if out, err := exec.Command(man, "-man", "-Tascii", "-ww", "-z", name).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		}
	}
	each(root)
}
