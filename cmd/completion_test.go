package cmd

import (
	"bytes"
	"os"
	"path/filepath"
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
