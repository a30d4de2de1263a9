package cmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2pcp/blocks"
	"p2pcp/seed"
	"p2pcp/swarm/wire"
)

// TestAccountHasOneClock: what two seeds and the receivers tell, each by its own age, is brought to the first seed's.
func TestAccountHasOneClock(t *testing.T) {
	s := sampleSurvey()
	trace := func(host string, start uint64, steps ...uint32) wire.Trace {
		return wire.Trace{Member: host + "-00000001", Start: start, Steps: steps, From: []wire.Source{{Member: "seed1-00000001", Bytes: 5}}}
	}
	s.members[0].report.Age = 10_000
	s.members[0].report.History = []wire.Sample{{Millis: 2500, Sent: 1 << 19, Known: 3, Done: 1, Ended: 2, Copies: 4}}
	s.members[0].report.Traces = []wire.Trace{trace("n1", 2000, 100, 900), trace("n6", 2500, 50)}
	s.members[1].report.Age = 3000
	s.members[1].report.Traces = []wire.Trace{trace("n2", 0, 7), trace("n1", 1, 1)}
	s.members[3].report.Age, s.members[3].report.Steps = 6000, []uint32{3, 4, 5, 6}
	m := accountOf(mergeSurvey(blocks.Sum([]byte("content")), s), s)
	if m.Done != 2 || m.Failed != 1 || m.Lost != 1 || !m.Running || len(m.Hosts) != 10 || len(m.Seeds) != 2 || *m.Egress != 1.5 || m.Copy != 1<<20 {
		t.Errorf("%+v", m)
	}
	starts := map[string]float64{"n1": 0, "n6": 0.5, "n2": 5, "n3": 2}
	for _, h := range m.Hosts {
		want, known := starts[h.Host]
		if known && (h.Start == nil || *h.Start != want) {
			t.Errorf("%s: %+v", h.Host, h)
		}
		if h.Host == "n3" && (h.Seconds != 6 || len(h.Steps) != 4 || h.Steps[3] != 0.006) || h.Host == "n1" && (h.Seconds != 1 || h.Steps[1] != 0.9 || h.From[0].Bytes != 5) {
			t.Errorf("%s: %+v", h.Host, h)
		}
	}
	if first, last := m.Hosts[0], m.Hosts[9]; first.Host != "n8" && first.Host != "n1" || last.end() < m.Seconds {
		t.Errorf("from %+v to %+v", first, last)
	}
	if len(m.History) != 1 || m.History[0] != (reportSample{0.5, 1 << 19, 3, 1, 2, 4}) {
		t.Errorf("%+v", m.History)
	}
	if empty := accountOf(mergeSurvey(blocks.Sum(nil), survey{}), survey{}); strings.Contains(jsonLine(empty), "null,\"seeds\":null") || empty.Seconds != 0 {
		t.Errorf("%+v", empty)
	}
}

// TestReportPage: the page holds the data and nothing that a name could break out with; nothing is fetched from elsewhere.
func TestReportPage(t *testing.T) {
	m := reportMessage{Type: "report", Name: `</script><script>alert(1)`, Hosts: []reportHost{{Host: "n1", Note: "<b>"}}}
	page := string(reportHTML(m))
	if strings.Count(page, "</script>") != 2 || strings.Contains(page, "<b>\"") || strings.Contains(page, "REPORT_DATA") || !strings.Contains(page, `\u003c/script\u003e`) {
		t.Error("a name ends the script")
	}
	for _, word := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "innerHTML"} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), word) {
			t.Errorf("the page has %s", word)
		}
	}
	if !strings.Contains(page, "prefers-color-scheme: dark") {
		t.Error("no dark scheme")
	}
}

// TestReportOfATransfer: from the seed while it runs, from it at its end, and from files.
func TestReportOfATransfer(t *testing.T) {
	l := newSandbox(t)
	l.big(16)
	ticket, source := l.seed("--json", "--report", "end.html", "big")
	var told seedMessage
	for told.Type != "ticket" {
		if err := json.Unmarshal([]byte(ticket), &told); err != nil {
			t.Fatal(err)
		}
		if told.Type != "ticket" {
			ticket = source.line(t)
		}
	}
	ticket = told.Ticket
	if _, err := seed.ParseTicket(ticket); err != nil {
		t.Fatal(err)
	}
	l.ok("get", "-q", "-o", "a", "--linger", "0", ticket)
	l.ok("get", "-q", "-o", "b", "--linger", "0", ticket)
	check := func(text string) {
		t.Helper()
		var m reportMessage
		if err := json.Unmarshal([]byte(text), &m); err != nil || m.Type != "report" || m.Done != 2 || len(m.Hosts) != 2 || m.Running || m.Name != "big" {
			t.Fatalf("%v: %s", err, text)
		}
		for _, h := range m.Hosts {
			if h.Start == nil || len(h.Steps) != wire.Steps || len(h.From) != 1 || h.From[0].Bytes != h.Received || h.State != "changed" {
				t.Errorf("%+v", h)
			}
		}
	}
	run := l.ok("report", "--json", ticket)
	check(run)
	l.write("run.json", run)
	l.ok("report", "run.json", "-o", "run.html")
	l.ok("report", "-q", ticket, "-o", "live.html")
	l.write("status.json", l.ok("status", "--json", ticket))
	l.ok("report", "status.json", "-o", "status.html")
	if _, errs, code := l.run("report", "big", "-o", "x.html"); code != exitUsage || !strings.Contains(errs, "no JSON") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if _, errs, code := l.run("report", ticket); code != exitUsage {
		t.Errorf("exit %d: %s", code, errs)
	}
	if err := source.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last := ""
	for {
		line, err := source.lines.ReadString('\n')
		if err != nil {
			break
		}
		last = line
	}
	check(last)
	for _, name := range []string{"run.html", "live.html", "end.html", "status.html"} {
		page, err := os.ReadFile(filepath.Join(l.dir, name))
		if err != nil || strings.Count(string(page), `"state":"changed"`) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
