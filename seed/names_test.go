package seed

import (
	"path"
	"strings"
	"testing"
)

func TestLinkTrouble(t *testing.T) {
	for _, c := range []struct {
		rel, link string
		ok        bool
	}{
		{"l", "x", true},
		{"l", ".", true},
		{"l", "a/../b", false}, // inside as text, but a may be a link itself
		{"a/l", "../b", true},
		{"l", "..", false},
		{"l", "../l", false},
		{"l", "a/../../b", false},
		{"a/l", "..", true},
		{"a/l", "../..", false},
		{"a/b/l", "../../c//./d/", true},
		{"a/b/l", "../../../top/c", false},
		{"l", "/etc/passwd", false},
		{"l", "", false},
		{"l", "a\x00b", false},
		{"l", "a\nb", true},
		{"l", strings.Repeat("x", maxLink), true},
		{"l", strings.Repeat("x", maxLink+1), false},
	} {
		if why := linkTrouble(c.rel, c.link); (why == "") != c.ok {
			t.Errorf("%q -> %.20q: %q", c.rel, c.link, why)
		}
	}
}

// What passes resolves inside, however it is written.
func FuzzLinkTrouble(f *testing.F) {
	f.Add("a/l", "../b")
	f.Add("l", "x/../../y")
	f.Fuzz(func(t *testing.T, rel, link string) {
		if rel == "" || path.Clean("/"+rel) != "/"+rel || linkTrouble(rel, link) != "" {
			return
		}
		if to := path.Join(path.Dir(rel), link); to == ".." || strings.HasPrefix(to, "../") {
			t.Fatalf("%q -> %q leads to %q", rel, link, to)
		}
	})
}
