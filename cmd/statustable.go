package cmd

import (
	"bytes"
	"fmt"
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

// header is the line above the table.
func (m *statusMessage) header() fleetHeader {
	h := fleetHeader{
		ID: m.ID[:8], Name: m.Name, Size: m.Bytes, Rate: float64(m.DownRate), RateOf: "total", Sent: -1, Rarest: -1,
	}
	if h.Name == "" {
		h.Name = "swarm " + h.ID
	}
	if m.Egress != nil {
		h.Sent = *m.Egress
	}
	if m.RarestCopies != nil {
		h.Rarest = *m.RarestCopies
	}
	return h
}

// lines are the header, the table, the complete hosts folded, and the seeds.
func (m *statusMessage) lines(style fleetStyle) []string {
	seeds := m.seedLine()
	if style.width > 0 {
		seeds = cut(seeds, style.width)
	}
	if style.lines > 1 {
		style.lines--
	}
	return append(fleetLines(m.header(), m.fleet(), style), seeds)
}

// seedLine tells who seeds.
func (m *statusMessage) seedLine() string {
	if len(m.Seeds) == 0 {
		return "no seed answers"
	}
	var hosts []string
	var rate uint64
	for _, s := range m.Seeds {
		hosts = append(hosts, s.Host)
		rate += s.UpRate
	}
	return fmt.Sprintf("%s (%d) seeding, up %s", foldHosts(hosts), len(hosts), formatRate(float64(rate)))
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
	fmt.Fprintf(&b, "status time=%s id=%s hosts=%d/%d failed=%d lost=%d rate=%s", at.UTC().Format(time.RFC3339), m.ID[:8],
		m.Done, m.Known, m.Failed, m.Lost, compact(formatRate(float64(m.DownRate))))
	if m.Egress != nil {
		fmt.Fprintf(&b, " egress=%.2f", *m.Egress)
	}
	if m.RarestCopies != nil {
		fmt.Fprintf(&b, " rarest=%d", *m.RarestCopies)
	}
	fmt.Fprintf(&b, " seeds=%d", len(m.Seeds))
	rows := m.fleet()
	sortFleet(rows)
	for i := range rows {
		if rows[i].class() == 2 {
			fmt.Fprintf(&b, " slowest=%s slowest_done=%d%%", quoteValue(rows[i].Host), int(rows[i].Done*100))
			break
		}
	}
	return b.String()
}
