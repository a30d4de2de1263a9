package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows is the import graph: each package with those of ours that it may import. Don't relax it to make a build pass: an arrow
// that isn't here is a change of the architecture (docs/ARCHITECTURE.md). Tests may import what they like; internal/hostile and
// internal/bubble are theirs, internal/lab theirs and the benchmarks'.
const arrows = `
	.             -> cmd
	cmd           -> swarm swarm/wire seed gossip blocks internal/port internal/fleet completions
	swarm         -> swarm/wire blocks internal/port
	swarm/wire    -> blocks
	seed          -> blocks
	gossip        ->
	blocks        ->
	internal/port ->
	internal/fleet ->
	internal/lab  ->
	internal/bubble ->
	internal/hostile -> swarm/wire internal/port blocks
	internal/bench -> internal/lab internal/bench/plot
	internal/reliability ->
	internal/release ->
	internal/bench/plot ->
	completions   ->
`

// owners are the modules that only some packages may import. Those that aren't named here are free.
const owners = `
	github.com/zeebo/blake3              <- blocks internal/port internal/bench
	lukechampine.com/blake3              <- blocks internal/port
	github.com/hashicorp/memberlist      <- gossip
	github.com/spf13                     <- cmd
	github.com/schollz/progressbar       <- cmd
	github.com/charmbracelet             <- cmd
	github.com/muesli                    <- cmd
	golang.org/x/term                    <- cmd
	net/http                             <-
	os/exec                              <- internal/lab internal/bench internal/fleet internal/release cmd
`

const module = "p2pcp"

// table reads lines of "name ARROW name name".
func table(t *testing.T, text, arrow string) map[string][]string {
	t.Helper()
	m := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		name, list, ok := strings.Cut(line, arrow)
		if !ok {
			t.Fatalf("line %q", line)
		}
		m[strings.TrimSpace(name)] = strings.Fields(list)
	}
	return m
}

// imports lists, for each package directory, what its files import, on whatever system, but for tests.
func imports(t *testing.T, root fs.FS) map[string][]string {
	t.Helper()
	m := map[string][]string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		base := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base == "dist" || base[0] == '.' || base[0] == '_'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		list := m[dir]
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			list = append(list, p)
		}
		m[dir] = list
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wrongArrows lists the imports that arrows and owners don't allow.
func wrongArrows(all, arrows, owners map[string][]string) (wrong []string) {
	for dir, list := range all {
		allowed, known := arrows[dir]
		if !known {
			wrong = append(wrong, dir+" is a package without a place in the graph")
		}
		for _, p := range list {
			if ours, ok := strings.CutPrefix(p, module+"/"); ok && !slices.Contains(allowed, ours) {
				wrong = append(wrong, dir+" -> "+ours+" is no arrow of the graph")
			}
			for mod, who := range owners {
				if (p == mod || strings.HasPrefix(p, mod+"/")) && !slices.Contains(who, dir) {
					wrong = append(wrong, dir+" -> "+p+": only ["+strings.Join(who, " ")+"] may import it")
				}
			}
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

func TestImportGraph(t *testing.T) {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	all := imports(t, os.DirFS(root))
	graph := table(t, arrows, "->")
	for dir := range graph {
		if _, ok := all[dir]; !ok {
			t.Errorf("%s is in the graph and isn't there", dir)
		}
	}
	for _, w := range wrongArrows(all, graph, table(t, owners, "<-")) {
		t.Error(w)
	}
}

func TestWrongArrowsAreNoticed(t *testing.T) {
	got := wrongArrows(map[string][]string{
		"gossip": {"p2pcp/swarm", "github.com/hashicorp/memberlist", "net"},
		"seed":   {"lukechampine.com/blake3/guts", "p2pcp/blocks"},
		"extra":  {"fmt"},
	}, table(t, arrows, "->"), table(t, owners, "<-"))
	want := []string{
		"extra is a package without a place in the graph",
		"gossip -> swarm is no arrow of the graph",
		"seed -> lukechampine.com/blake3/guts: only [blocks internal/port] may import it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Tests in virtual time go through internal/bubble, which says why; that of the threads themselves sets how many there are.
func TestBubbles(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") || name == "deps_test.go" || name == filepath.Join("cmd", "threads_test.go") {
			return err
		}
		if src, err := os.ReadFile(name); err != nil || bytes.Contains(src, []byte("synctest.Test(")) {
			t.Errorf("%s: synctest.Test (%v)", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The graph has no cycle: Go would refuse one in the code, but not in the table.
func TestGraphHasNoCycle(t *testing.T) {
	graph := table(t, arrows, "->")
	var visit func(dir string, above []string)
	visit = func(dir string, above []string) {
		if slices.Contains(above, dir) {
			t.Fatalf("a cycle: %v", append(above, dir))
		}
		for _, next := range graph[dir] {
			visit(next, append(above[:len(above):len(above)], dir))
		}
	}
	for dir := range graph {
		visit(dir, nil)
	}
}
