package gossip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func TestTableCollapsesWhatWasNotRead(t *testing.T) {
	a, b := memberAddr(2), memberAddr(4)
	get, done := Meta{Role: Receiver, State: Getting}, Meta{Role: Receiver, State: Complete}
	leave := Meta{Role: Receiver, State: Leaving}
	type step func(*table)
	up := func(at netip.AddrPort, m Meta) step { return func(t *table) { t.up("x", at, m, time.Time{}) } }
	down := func(m Meta) step { return func(t *table) { t.down("x", m, time.Time{}) } }
	read := func(t *table) { t.next() }
	for name, c := range map[string]struct {
		steps []step
		want  EventKind // of what remains to be read; 0: nothing
	}{
		"up":                           {[]step{up(a, get)}, Up},
		"up, changed":                  {[]step{up(a, get), up(a, done)}, Up},
		"up and down unread":           {[]step{up(a, get), down(get)}, 0},
		"down of nobody":               {[]step{down(get)}, 0},
		"changed":                      {[]step{up(a, get), read, up(a, done)}, Changed},
		"changed and back":             {[]step{up(a, get), read, up(a, done), up(a, get)}, 0},
		"the same again":               {[]step{up(a, get), read, up(a, get)}, 0},
		"dead":                         {[]step{up(a, get), read, down(get)}, Dead},
		"changed, then dead":           {[]step{up(a, get), read, up(a, done), down(done)}, Dead},
		"left":                         {[]step{up(a, get), read, up(a, leave), down(leave)}, Left},
		"dead twice":                   {[]step{up(a, get), read, down(get), read, down(get)}, 0},
		"back unseen":                  {[]step{up(a, get), read, down(get), up(a, get)}, 0},
		"back unseen at another place": {[]step{up(a, get), read, down(get), up(b, get)}, Changed},
		"back after its death":         {[]step{up(a, get), read, down(get), read, up(a, get)}, Up},
	} {
		tab := newTable(10)
		for _, s := range c.steps {
			s(tab)
		}
		e, ok := tab.next()
		if e.Kind != c.want || ok != (c.want != 0) {
			t.Errorf("%s: %v, %v, want %v", name, e, ok, c.want)
		}
		if e, ok := tab.next(); ok {
			t.Errorf("%s: then %v", name, e)
		}
	}
}

// TestTableTellsTheTruthInTheEnd: whatever happens and whenever it is read, the reader's view ends as the table's, each member's
// events alternate as documented, and the queue holds a name once.
func TestTableTellsTheTruthInTheEnd(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		tab, truth, view := newTable(10), map[string]Meta{}, map[string]Meta{}
		read := func() bool {
			e, ok := tab.next()
			if !ok {
				return false
			}
			_, known := view[e.Member]
			if known != (e.Kind != Up) {
				t.Fatalf("seed %d: %v while known is %v", seed, e, known)
			}
			if e.Kind == Left || e.Kind == Dead {
				delete(view, e.Member)
			} else {
				view[e.Member] = e.Meta
			}
			return true
		}
		for range 200 {
			name := string(rune('a' + rng.IntN(4)))
			switch rng.IntN(4) {
			case 0, 1:
				m := Meta{Role: Receiver, State: Getting, Zone: uint32(rng.IntN(3))}
				truth[name] = m
				tab.up(name, memberAddr(2), m, time.Time{})
			case 2:
				tab.down(name, truth[name], time.Time{})
				delete(truth, name)
			case 3:
				read()
			}
			if len(tab.queue) > 4 || tab.count() != len(truth) || len(tab.view()) != len(truth) {
				t.Fatalf("seed %d: %d queued, %d alive, want %d", seed, len(tab.queue), tab.count(), len(truth))
			}
		}
		for read() {
		}
		if fmt.Sprint(view) != fmt.Sprint(truth) {
			t.Fatalf("seed %d: read %v, true %v", seed, view, truth)
		}
	}
}

func TestTableForgetsTheDeadOnlyWhenMemberlistHas(t *testing.T) {
	tab, now := newTable(3), time.Unix(1e9, 0)
	for _, name := range []string{"a", "b", "c"} {
		if err := tab.admit(name, now); err != nil {
			t.Fatal(err)
		}
		tab.up(name, memberAddr(2), Meta{}, now)
		tab.next()
	}
	if err := tab.admit("a", now); err != nil {
		t.Error("refused a known member:", err)
	}
	tab.down("b", Meta{}, now)
	tab.next()
	if err := tab.admit("d", now.Add(reapAfter(3))); err == nil {
		t.Error("admitted a fourth while memberlist may remember three")
	}
	if err := tab.admit("d", now.Add(reapAfter(3)+2*time.Second)); err != nil {
		t.Error("refused though one is forgotten:", err)
	}
	if err := tab.admit("e", now.Add(reapAfter(3)+4*time.Second)); err == nil {
		t.Error("admitted beyond the cap")
	}
}
