package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2pcp/blocks"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// CVE-2023-43621 (croc): the secret in the arguments, where every user of the host reads it. No flag takes one: what concerns keys and
// tickets takes a file. A ticket can come from a file or stdin, and what -d starts never has it among its
// arguments or in its environment (TestNoKeyInAnyOutput).
func TestCVE_2023_43621_NoFlagTakesASecret(t *testing.T) {
	a, _, _ := newTestApp(t)
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, word := range []string{"key", "secret", "pass", "token", "ticket", "code"} {
				if strings.Contains(f.Name, word) && f.Value.Type() != "bool" && !strings.HasSuffix(f.Name, "-file") {
					t.Errorf("%s --%s takes a secret", c.Name(), f.Name)
				}
			}
		})
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(a))
	// Both other ways work, and leave nothing in the arguments.
	l := newSandbox(t)
	content := l.file("a", 1, 1000)
	ticket, _ := l.seed("a")
	l.write("ticket", ticket+"\n")
	l.gets(exitOK, l.changed("to/a", content), "-o", "to/", "--linger", "0", "@ticket")
	c := l.command("get", "-", "-o", "to/", "--linger", "0", "--listen", "127.0.0.1")
	c.Stdin = strings.NewReader(ticket + "\n")
	if out, err := c.Output(); err != nil || string(out) != l.unchanged("to/a", content) {
		t.Errorf("%s %v", out, err)
	}
}

// CVE-2023-43620 (croc), magic-wormhole's #476: escape sequences in a name reach the terminal. CVE-2023-43619 (croc): a transfer writes
// over files that the receiver never agreed to.
func TestCVE_2023_43620_43619_NamesAndOverwriting(t *testing.T) {
	l := newSandbox(t)
	const name = "\x1b]0;owned\x07.bashrc"
	m := &blocks.Manifest{Name: name, Entries: []blocks.Entry{someDir(""), emptyFile(".profile")}}
	word := seedAnything(t, m, nil)
	out, errs, code := l.run("get", "-vv", "--listen", "127.0.0.1", "--linger", "0", "-o", "to/", word)
	if code != exitOK || !strings.Contains(out, `\x1b]0;owned\a.bashrc`) {
		t.Errorf("exit %d %q %q", code, out, errs)
	}
	mustBeTame(t, out+errs)
	mine := filepath.Join("to", name, ".profile")
	l.write(mine, "mine")
	l.fails(exitExists, "-o", "to/", word)
	l.holds(mine, []byte("mine"))
	l.write("exact", "mine")
	l.fails(exitExists, "-o", "exact", word)
	l.holds("exact", []byte("mine"))
	if _, err := os.Lstat(l.path(".bashrc")); err == nil {
		t.Error("written beside")
	}
}
