package cmd

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
)

// fleetPeriod is the time between two frames of the seed's display.
const fleetPeriod = 400 * time.Millisecond

// maxFleetLines keeps the display out of the way of what was printed before it.
const maxFleetLines = 12

// fleetDisplay shows a swarm from the seed's side until stop.
type fleetDisplay struct {
	app   *app
	pull  func() (fleetHeader, []fleetRow)
	begun time.Time
	halt  func()
	ended bool // nothing is shown any more
}

// startFleet begins to show what pull returns: a block that is redrawn on a terminal, else a line at the start, one each
// --progress-interval and one at the end. pull is called from one goroutine at a time and from the signal goroutine, and its
// rows belong to the display. The caller must call stop once.
func (a *app) startFleet(pull func() (fleetHeader, []fleetRow)) *fleetDisplay {
	d := &fleetDisplay{app: a, pull: pull, begun: time.Now()}
	live, period := a.pace(fleetPeriod)
	d.report("start", live)
	d.halt = ticks(period, func() { d.report("progress", live) })
	a.signals.onStatus(func() string { return d.line("progress") })
	return d
}

// quit ends the display without a word: what is shown next is nobody's to see.
func (d *fleetDisplay) quit() {
	if !d.ended {
		d.ended = true
		d.app.signals.onStatus(nil)
		d.halt()
		d.app.screen.clear()
	}
}

// stop ends the display and prints the final table, or its JSON, to stderr. It returns the rows that the table showed.
func (d *fleetDisplay) stop() []fleetRow {
	d.quit()
	h, rows := d.pull()
	switch {
	case d.app.quiet:
	case d.app.json:
		d.status("summary", h, rows)
	default:
		d.app.screen.message(strings.Join(fleetLines(h, rows, d.app.term.style()), "\n"))
	}
	return rows
}

func (d *fleetDisplay) report(event string, live bool) {
	switch {
	case d.app.quiet:
	case d.app.json:
		h, rows := d.pull()
		d.status("status", h, rows)
	case live:
		h, rows := d.pull()
		d.app.screen.show(fleetLines(h, rows, d.app.term.frame(maxFleetLines)))
	default:
		d.app.screen.message(d.line(event))
	}
}

// line is the form for logs and SIGUSR1.
func (d *fleetDisplay) line(event string) string {
	h, rows := d.pull()
	c := countFleet(rows)
	var b strings.Builder
	fmt.Fprintf(&b, "p2pcp: %s command=%s hosts=%d/%d failed=%d lost=%d rate=%s egress=%.2f time=%s",
		event, cmp.Or(h.Command, "seed"), c.Done, max(c.Known, h.Expect), c.Failed, c.Lost, compact(formatRate(h.Rate)), h.Sent,
		formatSeconds(time.Since(d.begun)))
	if h.Bar != nil && h.Bar.Left >= 0 {
		b.WriteString(" eta=" + formatLeft(h.Bar.Left))
	}
	return b.String() + slowest(rows)
}

// fleetMessage is the JSON form, a status each interval and a summary at the end.
type fleetMessage struct {
	Type   string        `json:"message_type"` // status or summary
	ID     string        `json:"id"`
	Name   string        `json:"name"`
	Size   uint64        `json:"size"`
	Known  int           `json:"hosts_known"`
	Done   int           `json:"hosts_done"`
	Failed int           `json:"hosts_failed"`
	Lost   int           `json:"hosts_lost"`
	Expect int           `json:"hosts_expected,omitempty"`
	Rate   uint64        `json:"rate"`
	Egress float64       `json:"egress_copies"`
	Hosts  []hostMessage `json:"hosts,omitempty"` // of a summary
}

// hostMessage is one row in JSON.
type hostMessage struct {
	Host    string  `json:"host"`
	State   string  `json:"state"`
	Done    float64 `json:"done"`
	Rate    uint64  `json:"rate"`
	Bytes   uint64  `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Code    int     `json:"code"`
	Note    string  `json:"note,omitempty"`
}

// fleetJSON makes the JSON form.
func fleetJSON(kind string, h fleetHeader, rows []fleetRow) fleetMessage {
	c := countFleet(rows)
	m := fleetMessage{
		Type: kind, ID: h.ID, Name: h.Name, Size: h.Size, Known: c.Known, Done: c.Done, Failed: c.Failed, Lost: c.Lost,
		Expect: h.Expect, Rate: uint64(max(0, h.Rate)), Egress: math.Round(h.Sent*1000) / 1000,
	}
	for _, r := range rows {
		m.Hosts = append(m.Hosts, hostMessage(r))
	}
	return m
}

func (d *fleetDisplay) status(kind string, h fleetHeader, rows []fleetRow) {
	m := fleetJSON(kind, h, rows)
	if kind != "summary" {
		m.Hosts = nil
	}
	// A failure sticks in the stream and ends the run.
	_ = d.app.result("", m)
}
