package cmd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// sampleSurvey has two seeds with unequal Ledgers, receivers in every state, and one that doesn't answer.
func sampleSurvey() survey {
	ledger := func(host, state string, ms uint64) wire.LedgerRow {
		return wire.LedgerRow{Member: host + "-00000001", Host: host, Source: "10.0.0.1", Target: "/t/big", State: state, Millis: ms, Bytes: 100}
	}
	failed := ledger("n6", "failed", 3000)
	failed.Code, failed.Reason, failed.Bytes = 7, "no space\nleft", 1<<19
	lost := ledger("n7", "lost", 2500)
	lost.Code = 6
	back := ledger("n8", "lost", 100)
	back.Code = 6
	at := func(n int, r wire.Report) sighting {
		member := r.Host + "-00000001"
		if r.Role == "" {
			r.Role = "get"
		}
		r.Bytes = 1 << 20
		return sighting{addr: fakeAddr(n), member: member, report: r}
	}
	return survey{
		members: []sighting{
			at(1, wire.Report{
				Host: "seed1", Role: "seed", State: "seeding", Sent: 1 << 20, UpRate: 1000, Blocks: 16, BlocksHave: 16, RarestCopies: 3, RarestBlock: 5,
				Sessions: 4, Ledger: []wire.LedgerRow{ledger("n1", "changed", 1000), ledger("n2", "begun", 0), ledger("n3", "begun", 0), failed, lost, back},
			}),
			at(2, wire.Report{
				Host: "seed2", Role: "seed", State: "seeding", Sent: 1 << 19, UpRate: 24, Blocks: 16, BlocksHave: 16, RarestCopies: 2,
				Ledger: []wire.LedgerRow{ledger("n1", "begun", 0), ledger("n2", "changed", 1500), ledger("n9", "begun", 0)},
			}),
			at(11, wire.Report{Host: "n1", State: "linger", Blocks: 16, BlocksHave: 16, RarestCopies: 1, Sent: 7, Received: 1 << 20, Sessions: 2}),
			at(13, wire.Report{Host: "n3", State: "getting", Blocks: 16, BlocksHave: 4, DownRate: 2048, UpRate: 5, Received: 1 << 18, FromSeed: 1 << 17, Sessions: 3}),
			at(14, wire.Report{Host: "n4", State: "manifest", Blocks: 1, BlocksHave: 1, RarestCopies: 9}),
			at(15, wire.Report{Host: "n5", State: "getting", Blocks: 16, BlocksHave: 8}),
			at(18, wire.Report{Host: "n8", State: "checking", Blocks: 16, BlocksHave: 12, Sessions: 1}),
		},
		silent: []silentMember{
			{"n2-00000001", fakeAddr(12), false},
			{"ns-00000001", fakeAddr(20), false},
			{"seed3-00000001", fakeAddr(3), true},
		},
	}
}

func TestStatusTable(t *testing.T) {
	m := mergeSurvey(blocks.Sum([]byte("content")), sampleSurvey())
	got := "\n" + strings.Join(m.lines(fleetStyle{}), "\n") + "\n"
	want := `
swarm 3fba5250 1.0 MiB  2/10 hosts done  6 under way  1 silent  1 failed  1 lost  total 2.0 KiB/s
seed seed[1-2] up 1.0 KiB/s  sent 1.50 copies  rarest block 3 copies (#5)
HOST  STATE     DONE  RATE       TIME  NOTE
----------------------------------------------------------
n6    failed    50%   -          3s    exit 7 no space\nleft
n7    lost      0%    -          3s    exit 6
ns    silent    0%    0 B/s      -     doesn't answer from here
n4    manifest  0%    0 B/s      -
n9    begun     0%    0 B/s      -     doesn't answer from here
n3    getting   25%   2.0 KiB/s  -
n5    getting   50%   0 B/s      -     no peer
n8    checking  75%   0 B/s      -
n[1-2] (2) changed, slowest 1.5s
`
	compareTables(t, got, want)
	for _, style := range []fleetStyle{{width: 30}, {lines: 5}, {lines: 1}, {width: 9, lines: 3}} {
		lines := m.lines(style)
		if style.lines > 1 && len(lines) > style.lines {
			t.Errorf("%d lines of %d", len(lines), style.lines)
		}
		for _, line := range lines {
			if style.width > 0 && len(line) > style.width {
				t.Errorf("wider than %d: %q", style.width, line)
			}
		}
	}
}

// compareTables leaves the length of the rule to the table.
func compareTables(t *testing.T, got, want string) {
	t.Helper()
	rule := func(s string) string {
		lines := strings.Split(s, "\n")
		for i, line := range lines {
			if line != "" && strings.Trim(line, "-") == "" {
				lines[i] = "---"
			}
		}
		return strings.Join(lines, "\n")
	}
	if rule(got) != rule(want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestStatusTSVAndLine(t *testing.T) {
	m := mergeSurvey(blocks.Sum([]byte("content")), sampleSurvey())
	want := strings.Join([]string{
		"HOST\tSTATE\tDONE\tRATE\tBYTES\tSECONDS\tCODE\tNOTE",
		"n6\tfailed\t0.500\t0\t524288\t3.000\t7\tno space\\nleft",
		"n7\tlost\t0.000\t0\t100\t2.500\t6\t",
		"ns\tsilent\t0.000\t0\t0\t0.000\t0\tdoesn't answer from here",
		"n4\tmanifest\t0.000\t0\t0\t0.000\t0\t",
		"n9\tbegun\t0.000\t0\t100\t0.000\t0\tdoesn't answer from here",
		"n3\tgetting\t0.250\t2048\t262144\t0.000\t0\t",
		"n5\tgetting\t0.500\t0\t0\t0.000\t0\tno peer",
		"n8\tchecking\t0.750\t0\t0\t0.000\t0\t",
		"n2\tchanged\t1.000\t0\t100\t1.500\t0\t",
		"n1\tchanged\t1.000\t0\t1048576\t1.000\t0\t",
		"seed1\tseeding\t1.000\t0\t0\t0.000\t0\t",
		"seed2\tseeding\t1.000\t0\t0\t0.000\t0\t",
	}, "\n")
	if got := m.tsv(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	line := m.line(time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC))
	if want := "status time=2026-11-01T02:03:04Z id=3fba5250 hosts=2/10 failed=1 lost=1 stalled=1 rate=2.0KiB/s egress=1.50 rarest=3 seeds=2 slowest=ns slowest_done=0%"; line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
}

// TestStatusJSON holds the names that scripts use.
func TestStatusJSON(t *testing.T) {
	var m map[string]any
	if err := json.Unmarshal([]byte(jsonLine(mergeSurvey(blocks.Sum([]byte("content")), sampleSurvey()))), &m); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"message_type": "status", "bytes": 1048576.0, "hosts_known": 10.0, "hosts_done": 2.0, "hosts_failed": 1.0, "hosts_lost": 1.0,
		"down_rate": 2048.0, "egress_copies": 1.5, "rarest_copies": 3.0, "rarest_block": 5.0,
	} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
	host := m["hosts"].([]any)[2].(map[string]any)
	for name, want := range map[string]any{
		"member": "n3-00000001", "host": "n3", "address": "10.0.0.13:7700", "source": "10.0.0.1", "target": "/t/big", "state": "getting",
		"done": 0.25, "down_rate": 2048.0, "up_rate": 5.0, "received": 262144.0, "sent": 0.0, "from_seed": 131072.0, "sessions": 3.0,
		"seconds": 0.0, "code": 0.0,
	} {
		if host[name] != want {
			t.Errorf("hosts[2].%s is %v, want %v", name, host[name], want)
		}
	}
	one := m["seeds"].([]any)[0].(map[string]any)
	for name, want := range map[string]any{
		"member": "seed1-00000001", "host": "seed1", "address": "10.0.0.1:7700", "up_rate": 1000.0, "sent": 1048576.0, "sessions": 4.0,
	} {
		if one[name] != want {
			t.Errorf("seeds[0].%s is %v, want %v", name, one[name], want)
		}
	}
}

// TestStatusWithoutSeed: what only a seed knows is left out, and lists are never null.
func TestStatusWithoutSeed(t *testing.T) {
	s := sampleSurvey()
	s.members = s.members[2:3]
	m := mergeSurvey(blocks.Sum(nil), s)
	got := "\n" + strings.Join(m.lines(fleetStyle{}), "\n") + "\n"
	compareTables(t, got, `
swarm af1349b9 1.0 MiB  1/3 hosts done  2 under way  2 silent  total 0 B/s
no seed answers  rarest block 1 copy (#0)
HOST  STATE   DONE  RATE   TIME  NOTE
---
n2    silent  0%    0 B/s  -     doesn't answer from here
ns    silent  0%    0 B/s  -     doesn't answer from here
n1 (1) linger
`)
	if m.Egress != nil || strings.Contains(jsonLine(m), `"seeds":null`) {
		t.Error(jsonLine(m))
	}
	empty := mergeSurvey(blocks.Sum(nil), survey{})
	if empty.Hosts = nil; empty.Known != 0 || empty.RarestCopies != nil {
		t.Errorf("%+v", empty)
	}
}

// TestStatusOfOneHostTwice: two targets of one host are two rows, told apart by the target.
func TestStatusOfOneHostTwice(t *testing.T) {
	row := func(member, source, target, state string) wire.LedgerRow {
		return wire.LedgerRow{Member: member, Host: "n1", Source: source, Target: target, State: state}
	}
	m := mergeSurvey(blocks.Sum(nil), survey{members: []sighting{{member: "s-1", report: wire.Report{Role: "seed", Ledger: []wire.LedgerRow{
		row("a", "10.0.0.1", "/a", "begun"), row("b", "10.0.0.1", "/b", "unchanged"), row("c", "10.0.0.2", "/a", "changed"),
	}}}}})
	var got []string
	for _, h := range m.Hosts {
		got = append(got, h.Member+" "+h.State+" "+h.Note)
	}
	if s := strings.Join(got, ", "); s != "a begun doesn't answer from here, c changed /a, b unchanged /b" {
		t.Error(s)
	}
}

func TestLivingAddrs(t *testing.T) {
	s := sampleSurvey()
	if got := livingAddrs(s); len(got) != 3 || got[0] != fakeAddr(1) || got[1] != fakeAddr(2) || got[2] != fakeAddr(11) {
		t.Errorf("got %v", got)
	}
	s.members = s.members[3:] // n3 has 4 of 16, n4 only the manifest, n5 8, n8 12
	if got := livingAddrs(s); len(got) != 3 || got[0] != fakeAddr(18) || got[1] != fakeAddr(15) || got[2] != fakeAddr(13) {
		t.Errorf("got %v", got)
	}
	s.members = s.members[1:2]
	if got := livingAddrs(s); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestLivingAddrsAreReachable: a loopback address is of use to nobody else.
func TestLivingAddrsAreReachable(t *testing.T) {
	s := sampleSurvey()
	s.members[0].addr = netip.MustParseAddrPort("127.0.0.1:7700")
	s.members[1].report.Members = []wire.ReportMember{
		{Member: "other", Addr: "10.9.9.9:1"}, {Member: s.members[0].member, Addr: "127.0.0.1:7700"}, {Member: s.members[0].member, Addr: "10.1.1.1:7700"},
	}
	if got := livingAddrs(s); got[0] != netip.MustParseAddrPort("10.1.1.1:7700") {
		t.Errorf("got %v", got)
	}
	s.members[1].report.Members = nil
	if got := livingAddrs(s); got[0] != netip.MustParseAddrPort("127.0.0.1:7700") {
		t.Errorf("got %v", got)
	}
}

// Who was caught is named below the table, by how many say so; a seed that isn't where the ticket says is no seed.
func TestStatusOfMisbehavingMembers(t *testing.T) {
	s := sampleSurvey()
	for i := range 3 {
		s.members[i].report.Blamed = []wire.ReportBlame{{Member: "foe-00000000", Source: "10.0.0.66", Why: "sent wrong \x1bblocks", Count: 3, Banned: i > 0}}
	}
	for i := range 5 {
		s.members[0].report.Blamed = append(s.members[0].report.Blamed, wire.ReportBlame{Source: fakeAddr(i).Addr().String(), Why: "a flood", Count: 1})
	}
	s.distrust([]netip.AddrPort{fakeAddr(1)})
	m := mergeSurvey(blocks.Sum([]byte("content")), s)
	if len(m.Seeds) != 1 || m.Seeds[0].Host != "seed1" {
		t.Errorf("seeds %+v", m.Seeds)
	}
	if b := m.Blamed[0]; b.Tellers != 3 || b.Banned != 2 || len(m.Blamed) != 6 {
		t.Errorf("%+v", m.Blamed)
	}
	out := strings.Join(m.lines(fleetStyle{}), "\n")
	for _, want := range []string{
		`misbehaves: foe-00000000 from 10.0.0.66: sent wrong \x1bblocks (3 tell, 2 banned it)`, "several names", "misbehave: 2 more",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestStatusOfSlander: whoever tells of many, or of the same one many times, hides nobody that a seed tells of.
func TestStatusOfSlander(t *testing.T) {
	s := sampleSurvey()
	var liar survey
	seed := -1
	for k := range 2 * maxBlamed {
		row := wire.ReportBlame{Member: fmt.Sprint("honest", k/2), Source: "10.0.0.1", Why: "a lie", Count: 9, Banned: true}
		if k%64 == 0 {
			liar.members = append(liar.members, s.members[0])
			liar.members[k/64].report.Role, liar.members[k/64].report.Blamed = "get", nil
		}
		liar.members[k/64].report.Blamed = append(liar.members[k/64].report.Blamed, row)
	}
	for i := range s.members {
		if s.members[i].report.Role == "seed" {
			seed = i
		}
	}
	s.members[seed].report.Blamed = []wire.ReportBlame{{Member: "foe", Source: "10.0.0.66", Why: "sent wrong blocks", Count: 1}}
	s.members = append(liar.members, s.members...)
	m := mergeSurvey(blocks.Sum([]byte("content")), s)
	if len(m.Blamed) != maxBlamed || m.Blamed[0].Member != "foe" || m.Blamed[1].Tellers != 1 {
		t.Errorf("%d rows, first %+v", len(m.Blamed), m.Blamed[:2])
	}
}
