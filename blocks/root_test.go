package blocks

import (
	"strings"
	"testing"
)

func TestRootText(t *testing.T) {
	// The digest that b3sum prints for "abc".
	const abc = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
	r := Sum([]byte("abc"))
	if r.String() != abc || r.Short() != abc[:8] {
		t.Fatalf("Sum(abc) = %s (%s), want %s", r, r.Short(), abc)
	}
	for _, s := range []string{abc, strings.ToUpper(abc)} {
		if back, err := ParseRoot(s); err != nil || back != r {
			t.Errorf("ParseRoot(%q) = %s, %v", s, back, err)
		}
	}
	for _, s := range []string{"", abc[1:], abc + "0", abc[:62] + "zz", " " + abc[1:]} {
		if back, err := ParseRoot(s); err == nil || back != (Root{}) {
			t.Errorf("ParseRoot(%q) = %s, %v, want an error", s, back, err)
		}
	}
}
