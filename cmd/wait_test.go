package cmd

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/seed"
	"p2pcp/swarm/wire"
)

// TestNoWait: get returns once it has begun, wait when all that began is told, with the worst code.
func TestNoWait(t *testing.T) {
	l := newSandbox(t)
	content := l.file("big", 1, 3<<20)
	ticket, _ := l.seed("--limit", "2M", "big")
	if _, errs, code := l.run("wait", ticket); code != exitGoal || !strings.Contains(errs, "nobody has begun") {
		t.Errorf("before: exit %d: %s", code, errs)
	}
	started := func(path string) string { return strings.Replace(l.changed(path, content), "changed", "started", 1) }
	for _, to := range []string{"a", "b"} {
		l.gets(exitOK, started(to), "--no-wait", "-o", to, ticket)
	}
	if m := l.status(ticket); m.Done == m.Known {
		t.Error("get --no-wait has waited")
	}
	var m statusMessage
	if err := json.Unmarshal([]byte(l.ok("wait", "-q", "--json", ticket)), &m); err != nil || m.Type != "verdict" || m.Done != 2 || m.Known != 2 || m.Code != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	l.gets(exitOK, l.unchanged("a", content), "--no-wait", "-o", "a", ticket)
	out, errs, code := l.run("wait", "-n", "9", "--timeout", "100ms", ticket)
	if code != exitGoal || !strings.Contains(errs, "2 of 9 hosts have begun, 0 have no result") || !strings.Contains(out, "2/2 hosts done") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	// What is wrong beforehand is told at once; what comes later, by wait.
	l.write("c", "other")
	l.gets(exitExists, "", "--no-wait", "-o", "c", ticket)
	l.gets(exitOK, started("d"), "--no-wait", "-o", "d", "--limit", "16K", "--timeout", "1s", ticket)
	out, errs, code = l.run("wait", ticket)
	if code != exitTimeout || !strings.Contains(out, "exit 5 not complete") || !strings.Contains(out, "exit 4 ") || !strings.Contains(errs, "2 hosts failed, 0 lost") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	l.ok("stop", "--all")
}

// fakeWait is a wait whose seeds tell what looks says, look after look, and nobody else answers but who alive names.
func fakeWait(a *app, f *waitFlags, alive string, looks ...[]wire.LedgerRow) *waitRun {
	o := &observed{ticket: seed.Ticket{ID: blocks.Sum(nil)}, addrs: []netip.AddrPort{fakeAddr(1)}}
	w := newWaitRun(a, f, o)
	n := 0
	tell := func(rows []wire.LedgerRow) sighting {
		r := wire.Report{Host: "seed", Role: "seed", Bytes: 100, Ledger: rows, Members: []wire.ReportMember{{Member: "n1-00000001", Addr: fakeAddr(2).String()}}}
		return sighting{addr: fakeAddr(1), member: "seed-00000001", report: r}
	}
	w.seeds.look = func(context.Context, netip.AddrPort) (sighting, error) {
		rows := looks[min(n, len(looks)-1)]
		if n++; rows == nil {
			return sighting{}, os.ErrDeadlineExceeded
		}
		return tell(rows), nil
	}
	w.all.look = func(_ context.Context, addr netip.AddrPort) (sighting, error) {
		switch {
		case addr == fakeAddr(1):
			return tell(looks[min(n-1, len(looks)-1)]), nil
		case alive != "":
			return sighting{addr: addr, member: alive, report: wire.Report{Host: "n1", Role: "get", State: "getting", Blocks: 4, BlocksHave: 1}}, nil
		}
		return sighting{}, os.ErrDeadlineExceeded
	}
	return w
}

func waitRow(state string, code int) []wire.LedgerRow {
	return []wire.LedgerRow{{Member: "n1-00000001", Host: "n1", Source: "10.0.0.2", Target: "/t", State: state, Code: code}}
}

func TestWaitVerdicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags waitFlags
		alive string // who answers when everybody is asked
		looks [][]wire.LedgerRow
		code  int
		says  string // stdout
		took  time.Duration
	}{
		{"complete", waitFlags{}, "", [][]wire.LedgerRow{waitRow("begun", 0), waitRow("changed", 0)}, 0, "1/1 hosts done", waitPeriod},
		{"lost", waitFlags{}, "", [][]wire.LedgerRow{waitRow("begun", 0), waitRow("lost", 6)}, exitNobody, "1 lost", waitPeriod},
		{"failed", waitFlags{}, "", [][]wire.LedgerRow{waitRow("failed", 7)}, exitLocal, "1 failed", 0},
		{"lost and back", waitFlags{}, "n1-00000001", [][]wire.LedgerRow{waitRow("lost", 6), waitRow("lost", 6), waitRow("changed", 0)}, 0, "1/1", 2 * waitPeriod},
		{"lost, and back for a while", waitFlags{}, "n1-00000001", [][]wire.LedgerRow{waitRow("lost", 6), waitRow("lost", 6), waitRow("lost", 6), waitRow("failed", 5)}, exitTimeout, "1 failed", 3 * waitPeriod},
		{"the seed began anew", waitFlags{}, "", [][]wire.LedgerRow{waitRow("begun", 0), {}}, exitNobody, "1 lost", waitPeriod},
		{"the seed began anew, after the end", waitFlags{expect: 1}, "", [][]wire.LedgerRow{{}, waitRow("begun", 0), waitRow("changed", 0), {}}, 0, "1/1", 2 * waitPeriod},
		{"the seed is away for a while", waitFlags{}, "", [][]wire.LedgerRow{waitRow("begun", 0), nil, nil, waitRow("changed", 0)}, 0, "1/1", 3 * waitPeriod},
		{"the seed is gone", waitFlags{}, "", [][]wire.LedgerRow{waitRow("begun", 0), nil}, exitNobody, "1 under way", watchPatience + waitPeriod},
		{"timeout", waitFlags{timeout: 5 * time.Second}, "", [][]wire.LedgerRow{waitRow("begun", 0)}, exitGoal, "1 under way", 5 * time.Second},
		{"nobody", waitFlags{}, "", [][]wire.LedgerRow{{}}, exitGoal, "", 0},
		{"no seed", waitFlags{}, "", [][]wire.LedgerRow{nil}, exitNobody, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				a, out, _ := newTestApp(t)
				begin := time.Now()
				err := fakeWait(a, &c.flags, c.alive, c.looks...).run()
				if code := a.end(err); code != c.code || !strings.Contains(out(), c.says) || c.says == "" && out() != "" {
					t.Errorf("exit %d, %v: %s", code, err, out())
				}
				if took := time.Since(begin); took < c.took || took > c.took+time.Second {
					t.Errorf("it took %s", took)
				}
				a.cancel(nil)
			})
		})
	}
}
