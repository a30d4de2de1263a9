package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	const said = `=== RUN   TestB
    b_test.go:7: RELIABILITY {"kind":"fault","name":"b","undisturbed_s":1.25,"disturbed_s":2,"result":"x | y","test":"TestB/sub"}
    b_test.go:8: RELIABILITY {"kind":"attack","name":"c","result":"z","test":"TestB"}
    a_test.go:7: RELIABILITY {"kind":"fault","name":"a","undisturbed_s":0,"disturbed_s":0,"result":"-","test":"TestA"}
`
	records, err := read(strings.NewReader(said))
	if err != nil {
		t.Fatal(err)
	}
	const head = " | undisturbed, s | disturbed, s | what came of it | test |\n|---|---|---|---|---|\n"
	for kind, want := range map[string]string{
		"fault":  "| fault" + head + "| a | - | - | - | `TestA` |\n| b | 1.2 | 2.0 | x \\| y | `TestB` |\n",
		"attack": "| attack" + head + "| c | - | - | z | `TestB` |\n",
	} {
		if got := table(records, kind); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", kind, got, want)
		}
	}
	for _, bad := range []string{
		said + "    --- FAIL: TestB/sub (0.00s)\n", said + "--- SKIP: TestC (0.00s)\n", said + "FAIL\tp2pcp/swarm [build failed]\n",
		said + "panic: test timed out after 30m0s\n", "RELIABILITY {\n",
	} {
		if _, err := read(strings.NewReader(bad)); err == nil {
			t.Errorf("no error of %q", bad)
		}
	}
	both := table(records, "fault") + table(records, "attack")
	if gone := missing(both, records); len(gone) != 0 {
		t.Errorf("missing: %q", gone)
	}
	if gone := missing(both, slices.DeleteFunc(slices.Clone(records), func(r record) bool { return r.Name == "b" })); len(gone) != 1 || gone[0] != "TestB: b" {
		t.Errorf("missing: %q", gone)
	}
}

// TestEveryTestIsRun: the Makefile's pattern takes in every test that prints a line for the page, and every test that the page or SECURITY.md
// names is there.
func TestEveryTestIsRun(t *testing.T) {
	const root = "../.."
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^RELIABILITY := (.*)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("the Makefile has no pattern")
	}
	pattern, tests := regexp.MustCompile(string(m[1])), map[string]bool{}
	printing := 0
	err = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, f := range strings.Split(string(text), "\nfunc ")[1:] {
			name, body, _ := strings.Cut(f, "(")
			if !strings.HasPrefix(name, "Test") {
				continue
			}
			tests[name] = true
			if prints.MatchString(body) && name != t.Name() && name != "TestTables" {
				if printing++; !pattern.MatchString(name) {
					t.Errorf("make reliability doesn't run %s", name)
				}
			}
		}
		return err
	})
	if err != nil || printing < 20 {
		t.Errorf("%d tests print: %v", printing, err)
	}
	for _, page := range []string{"docs/RELIABILITY.md", "SECURITY.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`(Test\\w+)`(\\.\\.\\.)?").FindAllSubmatch(text, -1) {
			if name := string(m[1]); !slices.ContainsFunc(slices.Collect(maps.Keys(tests)), func(known string) bool {
				return known == name || len(m[2]) > 0 && strings.HasPrefix(known, name)
			}) {
				t.Errorf("%s names %s, which isn't there", page, name)
			}
		}
	}
}

// prints is in a test that prints a line for the page.
var prints = regexp.MustCompile(`RELIABILITY (\{|%s)|survived\(|inTime\(`)
