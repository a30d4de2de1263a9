// Package docs runs the documentation: every block of commands marked ```sh run.
package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// root is the repository's, seen from here.
const root = "../.."

// block is one marked block of commands, or a comment <!-- run ... --> with what a reader isn't bothered with.
var block = regexp.MustCompile("(?ms)^```sh run\n(.*?)^```$|^<!-- run\n(.*?)^-->$")

// TestDocs runs each page's blocks in order, in one shell and an empty directory: $ARRIVED and $HOME are its own, p2pcp is built from here.
func TestDocs(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "p2pcp"), root).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ran := 0
	pages := pages(t)
	for _, page := range pages {
		script := scriptOf(t, page)
		if script == "" {
			continue
		}
		ran++
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			runScript(t, bin, script)
		})
	}
	if ran == 0 {
		t.Error("no page has a block to run")
	}
}

// pages are the documentation.
func pages(t *testing.T) (all []string) {
	t.Helper()
	for _, where := range []string{"*.md", "docs/*.md", "contrib/*/*.md"} {
		some, err := filepath.Glob(filepath.Join(root, where))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

// scriptOf is what a page has to be run, each block behind a line that says where it stands.
func scriptOf(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range block.FindAllSubmatchIndex(text, -1) {
		at := 2
		if m[at] < 0 {
			at = 4
		}
		line := 1 + strings.Count(string(text[:m[0]]), "\n")
		fmt.Fprintf(&b, "echo '# line %d' >&2\n%s\n", line, text[m[at]:m[at+1]])
	}
	return b.String()
}

func runScript(t *testing.T, bin, script string) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_CACHE_HOME="+dir+"/.cache", "XDG_RUNTIME_DIR=", "TMPDIR="+dir, "LC_ALL=C")
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	stop := exec.Command(filepath.Join(bin, "p2pcp"), "stop", "--all")
	stop.Env = c.Env
	if left, stopErr := stop.CombinedOutput(); stopErr != nil {
		t.Errorf("stop: %v\n%s", stopErr, left)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// helpRow is a line of 'p2pcp help exit-codes' that begins a code; what follows, indented, belongs to it.
var helpRow = regexp.MustCompile(`^ +([0-9]+)  (again|     )  (.*)$`)

// TestExitCodes: the page's table is the program's.
func TestExitCodes(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "EXIT-CODES.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", root, "help", "exit-codes").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		switch m := helpRow.FindStringSubmatch(line); {
		case m != nil:
			want += " |\n| " + m[1] + " |" + strings.TrimRight(" "+m[2], " ") + " | " + m[3]
		case want != "":
			want += " " + strings.TrimSpace(line)
		}
	}
	if want = strings.TrimPrefix(want, " |"); want == "" || !strings.Contains(string(page), want+" |\n") {
		t.Errorf("docs/EXIT-CODES.md lacks%s |", want)
	}
}

// link is a link to another file of the repository.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinks: what a page links to is there.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
