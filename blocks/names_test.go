package blocks

import (
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	good := []string{
		"a", " ", "...", ".hidden", "a b", "new\nline", "\x01\x1b[31m", "é", "日本", "C:", "-rf", "~", "*",
		strings.Repeat("n", maxName), "\u202eevil", "con", "trailing.",
	}
	bad := []string{
		"", ".", "..", "a/b", "/", "a/", `a\b`, `\`, "a\x00", "\x00", "\xff", "a\xc3", "\xed\xa0\x80",
		strings.Repeat("n", maxName+1), strings.Repeat("é", 128),
	}
	for _, s := range good {
		if err := CheckName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range bad {
		if CheckName(s) == nil {
			t.Errorf("%q is taken for a name", s)
		}
	}
}

func TestCheckPath(t *testing.T) {
	deep := strings.Repeat("d/", maxPath/2-1) + "dd" // exactly maxPath bytes
	good := []string{"a", "a/b", "a/b/c", "a b/\n", deep}
	bad := []string{
		"", "/", "/a", "a/", "a//b", "./a", "a/.", "a/..", "../a", "a/../b", "..", ".", `a\b/c`, "a/\x00", "a\xff/b",
		deep + "d", strings.Repeat("n", maxName+1) + "/a", "a/" + strings.Repeat("n", maxName+1),
	}
	for _, s := range good {
		if err := checkPath(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range bad {
		if checkPath(s) == nil {
			t.Errorf("%q is taken for a path", s)
		}
	}
}

func TestCheckLink(t *testing.T) {
	for _, c := range []struct {
		path, link string
		ok         bool
	}{
		{"l", "a", true},
		{"l", "a/b/c", true},
		{"l", ".", true},
		{"l", "./././a", true},
		{"l", "a//b/", true},
		{"l", "a/..", false},
		{"l", "l", true},
		{"l", "no\nwhere\xff\\", true}, // bytes: kept as they are
		{"l", "...", true},
		{"l", "..a/b..", true},
		{"d/l", "..", true},
		{"d/l", "../x", true},
		{"d/e/l", "../../x", true},
		{"d/e/l", "x/../../..", false},
		{"l", strings.Repeat("a", maxLink), true},

		{"l", "", false},
		{"l", "/", false},
		{"l", "/etc/passwd", false},
		{"l", "//a", false},
		{"l", "..", false},
		{"l", "../x", false},
		{"l", "./..", false},
		{"l", "a/../..", false},
		{"l", "../t/x", false}, // would come back in, if the target's name is t
		{"d/l", "../..", false},
		{"d/l", "../../d/x", false},
		{"d/e/l", "../../../x", false},
		{"d/e/l", "./../x/../y", false},
		{"d/e/l", "../../../y", false},
		{"d/e/l", "./.././../y//z", true},
		{"l", "a\x00b", false},
		{"l", strings.Repeat("a", maxLink+1), false},
	} {
		if err := CheckLink(c.path, c.link); (err == nil) != c.ok {
			t.Errorf("%q -> %q: %v", c.path, c.link, err)
		}
	}
}
