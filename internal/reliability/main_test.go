package main

import (
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
	for _, bad := range []string{said + "    --- FAIL: TestB/sub (0.00s)\n", "RELIABILITY {\n"} {
		if _, err := read(strings.NewReader(bad)); err == nil {
			t.Errorf("no error of %q", bad)
		}
	}
}
