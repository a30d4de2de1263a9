package cmd

import "testing"

func TestQuoteName(t *testing.T) {
	for name, want := range map[string]string{
		"plain": "plain", "two words": "two words", "über": "über", "": `""`, "a\nb": `"a\nb"`, "\x1b[31m": `"\x1b[31m"`,
		"bad\xff": `"bad\xff"`, `"quoted"`: `"\"quoted\""`, "turn\u202eed": `"turn\u202eed"`, "tab\t": `"tab\t"`, "nbsp\u00a0": `"nbsp\u00a0"`,
	} {
		if got := quoteName(name); got != want {
			t.Errorf("quoteName(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestQuoteMessage(t *testing.T) {
	for text, want := range map[string]string{
		`say "it"`: `say "it"`, "two\nlines": `two\nlines`, "\x1b[2J": `\x1b[2J`, "bad\xff\x07": `bad\xff\a`, "\u2028": `\u2028`, "'": "'",
	} {
		if got := quoteMessage(text); got != want {
			t.Errorf("quoteMessage(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestQuoteJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"b c é"}`: `{"a":"b c é"}`, "{\"a\":\"\x7f\u009b\u202e\"}": `{"a":"\u007f\u009b\u202e"}`, "\U000e0001": `\udb40\udc01`,
	} {
		got := quoteJSON(text)
		if got != want {
			t.Errorf("quoteJSON(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestSumLine(t *testing.T) {
	for path, want := range map[string]string{
		"a b": "00  a b", "a\\b": `\00  a\\b`, "a\nb\r": `\00  a\nb\r`, "x\xff": "00  x\uFFFD", "\t": "00  \t",
	} {
		if got := sumLine("00", path); got != want {
			t.Errorf("sumLine(%q) = %q, want %q", path, got, want)
		}
	}
}
