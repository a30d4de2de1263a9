package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"p2pcp/completions"
)

// TestCompletionFiles compares completions/ with what p2pcp generates. P2PCP_UPDATE=1 writes them.
func TestCompletionFiles(t *testing.T) {
	a, _, _ := newTestApp(t)
	for shell, name := range map[string]string{
		"bash": "p2pcp.bash", "zsh": "p2pcp.zsh", "fish": "p2pcp.fish", "powershell": "p2pcp.ps1",
	} {
		var want bytes.Buffer
		if err := writeCompletion(&want, newRoot(a), shell); err != nil {
			t.Fatal(err)
		}
		if os.Getenv("P2PCP_UPDATE") != "" {
			if err := os.WriteFile(filepath.Join("..", "completions", name), want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := completions.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("completions/%s is out of date: run P2PCP_UPDATE=1 go test ./cmd -run TestCompletionFiles", name)
		}
	}
}

// TestCompletesTicketFiles: shells complete names of files by themselves, but none behind an @.
func TestCompletesTicketFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"ticket", "text", ".hidden", "there/ticket"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, _, _ := newTestApp(t)
	root := newRoot(a)
	for _, line := range []struct {
		words []string
		last  string
		want  []string
	}{
		{[]string{"get"}, "@", []string{"@text", "@there/", "@ticket"}},
		{[]string{"get"}, "@ti", []string{"@ticket"}},
		{[]string{"ticket", "show"}, "@there/", []string{"@there/ticket"}},
		{[]string{"report"}, "@.", []string{"@.hidden"}},
		{[]string{"status"}, "@nowhere/", nil},
		{[]string{"wait"}, "p2pcp1", nil},
	} {
		c, rest, err := root.Find(line.words)
		if err != nil || len(rest) > 0 {
			t.Fatal(err, rest)
		}
		if got, _ := c.ValidArgsFunction(c, nil, line.last); !slices.Equal(got, line.want) {
			t.Errorf("%v %s: %q, not %q", line.words, line.last, got, line.want)
		}
	}
}
