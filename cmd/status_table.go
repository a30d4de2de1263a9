package cmd

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fleet are the receivers as rows of the fleet's table.
func (m *statusMessage) fleet() []fleetRow {
	rows := make([]fleetRow, len(m.Hosts))
	for i, h := range m.Hosts {
		rows[i] = fleetRow{
			Host: h.Host, State: h.State, Done: h.Done, Rate: h.DownRate, Bytes: h.Received, Seconds: h.Seconds, Code: h.Code, Note: h.Note,
		}
	}
	return rows
}

// header is the first line.
func (m *statusMessage) header() fleetHeader {
	h := fleetHeader{
		ID: m.ID[:8], Name: m.Name, Size: m.Bytes, Rate: float64(m.DownRate), RateOf: "total",
		Sent: -1, Rarest: -1, // told in the second line
	}
	if h.Name == "" {
		h.Name = "swarm " + h.ID
	}
	return h
}

// lines are the header of two lines, the table, and the complete hosts folded.
func (m *statusMessage) lines(style fleetStyle) []string {
	second := m.seedLine()
	if style.width > 0 {
		second = cut(second, style.width)
	}
	blame := m.blameLines()
	if style.width > 0 {
		for i := range blame {
			blame[i] = cut(blame[i], style.width)
		}
	}
	if style.lines > 1+len(blame) {
		style.lines -= 1 + len(blame)
	}
	return append(slices.Insert(fleetLines(m.header(), m.fleet(), style), 1, second), blame...)
}

// seedLine tells who seeds, at what cost, and how safe the content is.
//
//	seed n[1-2] up 1.1 GiB/s  sent 1.31 copies  rarest block 3 copies (#812)
func (m *statusMessage) seedLine() string {
	line := "no seed answers"
	if len(m.Seeds) > 0 {
		var hosts []string
		var rate uint64
		for _, s := range m.Seeds {
			hosts = append(hosts, s.Host)
			rate += s.UpRate
		}
		line = fmt.Sprintf("seed %s up %s", foldHosts(hosts), formatRate(float64(rate)))
	}
	if m.Egress != nil {
		line += fmt.Sprintf("  sent %.2f copies", *m.Egress)
	}
	if m.RarestCopies != nil {
		noun := "copies"
		if *m.RarestCopies == 1 {
			noun = "copy"
		}
		line += fmt.Sprintf("  rarest block %d %s (#%d)", *m.RarestCopies, noun, *m.RarestBlock)
	}
	return line
}

// tsv is the form for scripts that don't read JSON: the hosts, then the seeds.
func (m *statusMessage) tsv() string {
	rows := m.fleet()
	for _, s := range m.Seeds {
		rows = append(rows, fleetRow{Host: s.Host, State: "seeding", Done: 1})
	}
	var b bytes.Buffer
	_ = renderFleetTSV(&b, rows) // a Buffer takes all
	return strings.TrimSuffix(b.String(), "\n")
}

// line is the form for logs.
func (m *statusMessage) line(at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "status time=%s id=%s hosts=%d/%d failed=%d lost=%d stalled=%d rate=%s", at.UTC().Format(time.RFC3339), m.ID[:8],
		m.Done, m.Known, m.Failed, m.Lost, m.Stalled+m.Silent, compact(formatRate(float64(m.DownRate))))
	if m.Egress != nil {
		fmt.Fprintf(&b, " egress=%.2f", *m.Egress)
	}
	if m.RarestCopies != nil {
		fmt.Fprintf(&b, " rarest=%d", *m.RarestCopies)
	}
	fmt.Fprintf(&b, " seeds=%d", len(m.Seeds))
	return b.String() + slowest(m.fleet())
}
