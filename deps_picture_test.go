package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// picture is docs/ARCHITECTURE.md's picture of the packages.
var picture = regexp.MustCompile("(?s)```mermaid\n.*?```\n")

// draw makes the picture of what each package imports of ours: the program's, and apart from them those that only tests and
// measurements use.
func draw(all map[string][]string) string {
	used := map[string]bool{".": true} // by the program
	for more := true; more; {
		more = false
		for dir := range used {
			for _, p := range all[dir] {
				if ours, ok := strings.CutPrefix(p, module+"/"); ok && !used[ours] {
					used[ours], more = true, true
				}
			}
		}
	}
	node := func(dir string) string {
		switch {
		case dir == ".":
			return "main"
		case strings.Contains(dir, "/"): // which no name may hold
			return fmt.Sprintf("%s[%q]", strings.ReplaceAll(dir, "/", "_"), dir)
		}
		return dir
	}
	var nodes, arrows string
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		if !used[dir] {
			nodes += "    " + node(dir) + "\n"
		}
		list := slices.Sorted(slices.Values(all[dir]))
		for _, p := range slices.Compact(list) {
			if ours, ok := strings.CutPrefix(p, module+"/"); ok {
				arrows += "  " + node(dir) + " --> " + node(ours) + "\n"
			}
		}
	}
	return "```mermaid\ngraph LR\n" + arrows + "  subgraph tests [tests and measurements]\n" + nodes + "  end\n```\n"
}

// TestPictureOfPackages: the picture is that of the imports. With P2PCP_PICTURE=write it is drawn anew (make picture).
func TestPictureOfPackages(t *testing.T) {
	const page = "docs/ARCHITECTURE.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := draw(imports(t, os.DirFS(".")))
	switch old := picture.Find(text); {
	case old == nil:
		t.Fatalf("%s has no picture", page)
	case string(old) == want:
	case os.Getenv("P2PCP_PICTURE") == "write":
		if err := os.WriteFile(page, []byte(strings.Replace(string(text), string(old), want, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s doesn't show today's imports: make picture draws them", page)
	}
}

func TestDraw(t *testing.T) {
	got := draw(map[string][]string{
		".": {"os", "p2pcp/cmd"}, "cmd": {"p2pcp/a/b", "p2pcp/a/b", "fmt"}, "a/b": nil, "lab": {"p2pcp/a/b"},
	})
	want := "```mermaid\ngraph LR\n  main --> cmd\n  cmd --> a_b[\"a/b\"]\n  lab --> a_b[\"a/b\"]\n  subgraph tests [tests and measurements]\n    lab\n  end\n```\n"
	if got != want {
		t.Errorf("%s", got)
	}
}
