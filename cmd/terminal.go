package cmd

import (
	"os"
	"strings"

	"golang.org/x/term"
)

// lookup reads an environment variable.
type lookup func(name string) (string, bool)

// terminal is what stderr can show. The zero value is a log file.
type terminal struct {
	live  bool                        // a terminal that can move its cursor: displays are redrawn in place
	color bool                        // the 16 ANSI colors may be used
	utf8  bool                        // the locale can show box drawing characters
	size  func() (columns, lines int) // now; nil where live is false
}

// detectTerminal looks at stderr and the environment. Nothing is written to the terminal: one that doesn't answer a query
// would hang the start.
func detectTerminal(f *os.File, env lookup) terminal {
	name, _ := env("TERM")
	t := terminal{utf8: localeUTF8(env)}
	if name == "" || name == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return t
	}
	t.live = true
	// https://no-color.org: present and not empty, whatever its value.
	no, _ := env("NO_COLOR")
	t.color = no == ""
	t.size = func() (int, int) {
		columns, lines, err := term.GetSize(int(f.Fd()))
		// Serial consoles and script(1) report 0.
		if err != nil || columns <= 0 || lines <= 0 {
			return 80, 24
		}
		return columns, lines
	}
	return t
}

// localeUTF8 follows the order of setlocale(3).
func localeUTF8(env lookup) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, _ := env(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
