package cmd

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestJSONIsDocumented: every name that scripts may read is in docs/JSON.md.
func TestJSONIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/JSON.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		statusMessage{},
		hostStatus{},
		seedStatus{},
		blamedStatus{},
		reportMessage{},
		reportSeed{},
		reportHost{},
		reportSample{},
		resultMessage{},
		progressMessage{},
		fleetMessage{},
		hostMessage{},
		seedMessage{},
		exitMessage{},
		noteMessage{},
	} {
		of := reflect.TypeOf(v)
		for i := range of.NumField() {
			if !of.Field(i).IsExported() {
				continue
			}
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s of %s isn't in docs/JSON.md", name, of.Name())
			}
		}
	}
}
