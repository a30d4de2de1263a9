package cmd

import (
	"os/exec"
	"testing"

	"github.com/spf13/pflag"
)

func TestNearFlag(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range []string{"checksum", "force", "for", "exclude", "key-file"} {
		flags.Bool(name, false, "")
	}
	for word, want := range map[string]string{
		"chek": "checksum", "check": "checksum", "chekcsum": "checksum", "checksums": "checksum", "forse": "force",
		"keyfile": "key-file", "overwrite": "force", "output": "", "exlude": "exclude", "fo": "for", "fr": "for",
		"f": "", "": "", "x": "", "nonsense": "", "listen": "", "sum": "",
	} {
		if got := nearFlag(flags, word); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		word, name   string
		whole, start int
	}{
		{"", "", 0, 0},
		{"", "abc", 3, 0},
		{"abc", "", 3, 3},
		{"kitten", "sitting", 3, 2}, // sitti, or sitting
		{"chek", "checksum", 4, 1},
		{"ab", "ba", 2, 1},
	} {
		if whole, start := edits(c.word, c.name); whole != c.whole || start != c.start {
			t.Errorf("%s, %s: %d, %d", c.word, c.name, whole, start)
		}
	}
}

// A shell reads back the word that it is.
func TestShellWord(t *testing.T) {
	for _, word := range []string{"", "/plain/path-1.0_x", "two words", "it's", "$HOME `x` \"y\" \\", "a\nb", "~", "ünïcödé", "-o"} {
		got, err := exec.Command("sh", "-c", "printf %s "+shellWord(word)).Output()
		if word == "-o" {
			got, err = exec.Command("sh", "-c", "printf %s -- "+shellWord(word)).Output()
			word = "---o"
		}
		if err != nil || string(got) != word {
			t.Errorf("%q: %q %v", word, got, err)
		}
	}
	if got := shellWord("/a/b_c.d"); got != "/a/b_c.d" {
		t.Errorf("needless quotes: %s", got)
	}
}
