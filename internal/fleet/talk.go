package fleet

import (
	"encoding/json"
	"strings"
)

// talk is our side of the conversation with one host, without the bytes: lines of its stdout come in, what to do about them goes out.
// Not safe for concurrent use.
//
//	banner -> hello(has) ---------------------> runs -> reports
//	          hello(lacks) -> (want)* ---------^
//	                          nowhere: over
type talk struct {
	marker string
	runs   bool // its get runs: what comes now is what that says
}

// wish is what a host's line asks us for.
type wish uint8

const (
	nothing     wish = iota // a banner, or what we don't understand
	welcome                 // it is there, and has a program
	sumsWanted              // it is there, and wants the sums of the program for its system and machine
	bytesWanted             // it wants the program
	noPlace                 // the program can't be put anywhere or doesn't run: it is gone
	orders                  // it wants its orders
	report                  // its get said something
)

// ask is a wish with what belongs to it.
type ask struct {
	wish            wish
	system, machine string // uname -s and -m, with welcome and sumsWanted
	packed          bool   // with bytesWanted: it can unpack
	came            bool   // with noPlace: the program came there whole, and doesn't run or isn't ours
	report          Report
}

// Report is what a get says of itself on stdout or stderr, as far as we want to know; the zero value is something else.
type Report struct {
	Type    string   `json:"message_type"` // status, result, run, exit_error; start, note, warning
	Stage   string   `json:"stage"`        // of a status
	Outcome string   `json:"outcome"`      // of the last status
	Done    uint64   `json:"done"`         // bytes of this stage
	Total   uint64   `json:"total"`
	Rate    uint64   `json:"down_rate"` // bytes per second
	ETA     *float64 `json:"eta_seconds"`

	Changed bool   `json:"changed"` // of a result
	Path    string `json:"path"`
	Root    string `json:"root"`
	Fetched uint64 `json:"fetched"`

	Code     int     `json:"code"` // of an exit_error, or of a run
	Message  string  `json:"message"`
	Hint     string  `json:"hint"`
	TimedOut bool    `json:"timed_out"`
	Output   string  `json:"output"` // the end of it
	Seconds  float64 `json:"seconds"`
}

// line takes one line of stdout.
func (t *talk) line(s string) ask {
	if t.runs {
		var r Report
		if json.Unmarshal([]byte(s), &r) != nil || r.Type == "" {
			return ask{}
		}
		return ask{wish: report, report: r}
	}
	words := strings.Fields(strings.TrimPrefix(s, t.marker+" "))
	if !strings.HasPrefix(s, t.marker+" ") || len(words) == 0 {
		return ask{}
	}
	switch {
	case words[0] == "hello" && len(words) == 4 && words[3] == "has":
		return ask{wish: welcome, system: words[1], machine: words[2]}
	case words[0] == "hello" && len(words) == 4:
		return ask{wish: sumsWanted, system: words[1], machine: words[2]}
	case words[0] == "want" && len(words) == 2:
		return ask{wish: bytesWanted, packed: words[1] == "gzip"}
	case words[0] == "nowhere":
		return ask{wish: noPlace, came: words[len(words)-1] == "runs"}
	case words[0] == "runs":
		t.runs = true
		return ask{wish: orders}
	}
	return ask{}
}
