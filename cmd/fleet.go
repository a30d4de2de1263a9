package cmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fleetRow is one host and target, as the seed's Ledger or a member's report tells.
type fleetRow struct {
	Host    string
	State   string  // begun, changed, unchanged, failed, lost; manifest, checking, getting, linger, seeding; those of push
	Done    float64 // 0 to 1
	Rate    uint64  // bytes per second, now
	Bytes   uint64  // of content fetched
	Seconds float64 // since its start
	Code    int     // exit code, of a row that is over
	Note    string  // why it failed, what it waits for
}

// Classes of rows, by how much they want attention.
const (
	rowFailed = iota
	rowLost
	rowUnderWay
	rowComplete
)

func (r *fleetRow) class() int {
	switch r.State {
	case "failed", "unreachable", "stopped":
		return rowFailed
	case "lost":
		return rowLost
	case "changed", "unchanged", "linger", "seeding":
		return rowComplete
	}
	return rowUnderWay
}

// stuck is 1 of who is under way and stands still, else 0.
func (r *fleetRow) stuck() int {
	if r.State == "stalled" || r.State == "silent" {
		return 1
	}
	return 0
}

// complete tells whether the host has the content.
func (r *fleetRow) complete() bool { return r.class() == rowComplete }

// sortFleet puts failures first, then who is under way, the least done first, then who is done, the slowest first.
func sortFleet(rows []fleetRow) {
	slices.SortStableFunc(rows, func(a, b fleetRow) int {
		return cmp.Or(
			cmp.Compare(a.class(), b.class()),
			cmp.Compare(b.stuck(), a.stuck()),
			cmp.Compare(a.Done, b.Done),
			cmp.Compare(b.Seconds, a.Seconds),
			cmp.Compare(a.Host, b.Host),
		)
	})
}

// fleetHeader is the swarm in one line.
type fleetHeader struct {
	ID      string  // first 8 hex digits
	Name    string  // of what is moved
	Size    uint64  // bytes of content
	Expect  int     // hosts that are waited for; 0: not said
	Rate    float64 // bytes per second
	RateOf  string  // what Rate is: "up" of a seed, "total" of all hosts
	Sent    float64 // by the seed, in copies of the content; below 0: not known
	Rarest  int     // copies of the rarest block; below 0: not known
	Elapsed time.Duration

	Command string       // empty: seed
	Bar     *fleetTotals // a bar above the rest, of push; nil: none
}

// fleetTotals are the sums for a bar of the whole fleet.
type fleetTotals struct {
	Done, Total uint64        // bytes on all hosts
	Rate        float64       // bytes per second into all hosts
	Left        time.Duration // until the last host has it, as far as hosts tell; below 0: not known
}

// fleetCounts are the sums of the rows.
type fleetCounts struct{ Known, Done, Failed, Lost, Stalled, Silent int }

func countFleet(rows []fleetRow) fleetCounts {
	c := fleetCounts{Known: len(rows)}
	for i := range rows {
		switch rows[i].State {
		case "stalled":
			c.Stalled++
		case "silent":
			c.Silent++
		}
		switch rows[i].class() {
		case rowFailed:
			c.Failed++
		case rowLost:
			c.Lost++
		case rowComplete:
			c.Done++
		}
	}
	return c
}

// worstCode is the exit code of the host that fared worst.
func worstCode(rows []fleetRow) int {
	code := exitOK
	for i := range rows {
		switch r := &rows[i]; r.class() {
		case rowFailed:
			code = max(code, r.Code, exitFailure)
		case rowLost:
			code = max(code, exitNobody)
		}
	}
	return code
}

// slowest is who is under way and has least, in the form of a log's line; it sorts rows. Empty: nobody is.
func slowest(rows []fleetRow) string {
	sortFleet(rows)
	for i := range rows {
		if r := &rows[i]; r.class() == rowUnderWay {
			return fmt.Sprintf(" slowest=%s slowest_done=%d%%", quoteValue(r.Host), int(r.Done*100))
		}
	}
	return ""
}

// text is the header line: what, how many hosts, how fast, at what cost.
//
//	big.tar 10.0 GiB  437/500 hosts done  61 under way  2 failed  up 1.1 GiB/s  seed sent 1.31 copies
func (h *fleetHeader) text(c fleetCounts) string {
	var parts []string
	if h.Name != "" && h.Bar == nil {
		parts = append(parts, quoteName(h.Name)+" "+formatSize(h.Size))
	}
	all := max(c.Known, h.Expect)
	parts = append(parts, fmt.Sprintf("%d/%d hosts done", c.Done, all))
	if n := c.Known - c.Done - c.Failed - c.Lost; n > 0 {
		parts = append(parts, fmt.Sprintf("%d under way", n))
	}
	if c.Stalled > 0 {
		parts = append(parts, fmt.Sprintf("%d stalled", c.Stalled))
	}
	if c.Silent > 0 {
		parts = append(parts, fmt.Sprintf("%d silent", c.Silent))
	}
	if c.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", c.Failed))
	}
	if c.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d lost", c.Lost))
	}
	if h.RateOf != "" {
		parts = append(parts, h.RateOf+" "+formatRate(h.Rate))
	}
	if h.Sent >= 0 {
		parts = append(parts, fmt.Sprintf("seed sent %.2f copies", h.Sent))
	}
	if h.Rarest >= 0 {
		parts = append(parts, fmt.Sprintf("rarest block %d copies", h.Rarest))
	}
	return strings.Join(parts, "  ")
}

// foldedRow stands for all complete hosts of one state.
type foldedRow struct {
	Hosts string // as foldHosts
	Count int
	State string
	Worst float64 // seconds of the slowest; 0: not known
}

// text is the line, of at most width columns (0: any): the names give way.
func (f foldedRow) text(width int) string {
	tail := fmt.Sprintf(" (%d) %s", f.Count, f.State)
	if f.Worst > 0 {
		tail += ", slowest " + formatSeconds(time.Duration(f.Worst*float64(time.Second)))
	}
	if width == 0 {
		return f.Hosts + tail
	}
	return cut(cut(f.Hosts, max(16, width-len(tail)))+tail, width)
}

// maxFailed is how many rows of one kind of failure a display with few lines shows one by one: who is slow is to be seen too.
const maxFailed = 3

// foldComplete splits rows into those that are told one by one and, in folded form, complete ones and those that wait for their turn,
// in the order of states. most, if it isn't 0, is how many of one kind of failure aren't folded either.
func foldComplete(rows []fleetRow, most int) (open []fleetRow, folded []foldedRow) {
	failed := map[string]int{}
	for i := range rows {
		if rows[i].class() <= rowLost {
			failed[rows[i].State]++
		}
	}
	hosts := map[string][]string{}
	worst := map[string]float64{}
	for _, r := range rows {
		many := most > 0 && failed[r.State] > most
		if !r.complete() && r.State != "waiting" && !many {
			open = append(open, r)
			continue
		}
		hosts[r.State] = append(hosts[r.State], r.Host)
		worst[r.State] = max(worst[r.State], r.Seconds)
	}
	for _, state := range []string{"changed", "unchanged", "linger", "seeding", "waiting", "failed", "unreachable", "lost", "stopped"} {
		if h := hosts[state]; len(h) > 0 {
			folded = append(folded, foldedRow{foldHosts(h), len(h), state, worst[state]})
		}
	}
	return open, folded
}
