package cmd

import (
	"cmp"
	"fmt"
	"time"

	"github.com/charmbracelet/lipgloss"

	"p2pcp/internal/fleet"
)

// pull is what the live display shows: the Fleet, and what the seed has sent.
func (p *pushRun) pull() (fleetHeader, []fleetRow) {
	now, all := time.Now(), p.fleet.Statuses()
	n, s := p.seed.member.swarm.Stats(), p.seed
	h := fleetHeader{
		Command: "push", ID: s.ticket.ID.Short(), Name: s.flags.name, Size: s.source.Content().Header().Bytes, Expect: len(all),
		Rate: float64(n.UpRate), RateOf: "up", Sent: float64(n.Sent) / float64(max(s.oneCopy, 1)), Rarest: -1,
	}
	rows := make([]fleetRow, len(all))
	for i := range all {
		rows[i] = pushRow(&all[i], now)
	}
	h.Bar = totals(all, rows, h.Size)
	return h, rows
}

// pushRow is one host's.
func pushRow(s *fleet.Status, now time.Time) fleetRow {
	r := fleetRow{
		Host: s.Host.String(), State: s.State.String(), Rate: s.Rate, Bytes: s.Fetched, Seconds: s.Took(now).Seconds(), Code: s.Code,
		Note: s.Message,
	}
	switch {
	case s.State == fleet.Getting && s.Stage == stageTransfer:
	case s.State == fleet.Getting && s.Stage != "":
		r.State = s.Stage
	case s.State == fleet.Waiting && s.Tries > 0:
		r.State = "again" // it isn't folded: it has something to tell
	}
	switch {
	case s.State == fleet.Running || s.State.Complete():
		r.Done = 1
	case s.Total > 0:
		r.Done = float64(s.Done) / float64(s.Total)
	}
	if s.State == fleet.Getting && s.Left >= 0 {
		r.Note = "eta " + formatLeft(s.Left)
	}
	return r
}

// totals are the sums over hosts that have it or may still get it; a copy has size bytes.
func totals(all []fleet.Status, rows []fleetRow, size uint64) *fleetTotals {
	t := &fleetTotals{Left: -1}
	for i := range all {
		s := &all[i]
		if s.State.Over() && !s.State.Complete() {
			continue
		}
		t.Total += size
		t.Done += uint64(rows[i].Done * float64(size))
		t.Rate += float64(s.Rate)
		if s.State == fleet.Getting {
			t.Left = max(t.Left, s.Left)
		}
	}
	return t
}

// fleetBar is one line for the whole fleet:
//
//	push big.tar  42% |########----------| 2.1/4.9 TiB  12 GiB/s  last in 4m12s
func fleetBar(h fleetHeader, width int) string {
	head := cmp.Or(h.Command, "seed") + " " + cut(quoteName(h.Name), 24)
	left := ""
	if h.Bar.Left >= 0 {
		left = "last in " + formatLeft(h.Bar.Left)
	}
	tails := []string{fmt.Sprintf("%-*s  %-10s  %s", sizeRoom(h.Bar.Total), formatOf(h.Bar.Done, h.Bar.Total), formatRate(h.Bar.Rate), left), left, ""}
	// What drawBar puts around the bar.
	const frame = 9
	for _, tail := range tails {
		if room := width - lipgloss.Width(head) - frame - max(lipgloss.Width(tail), len("last in 59m59s")); room >= minBar {
			return cut(drawBar(head, tail, progressView{progressSnapshot: progressSnapshot{Done: h.Bar.Done, Total: h.Bar.Total}}, min(room, maxBar)), width)
		}
	}
	return cut(head, width)
}
