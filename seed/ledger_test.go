package seed

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
)

var (
	hostA = netip.MustParseAddr("10.0.0.1")
	hostB = netip.MustParseAddr("10.0.0.2")
)

func result(s State, member, host, target string) Result {
	return Result{State: s, Member: member, Host: host, Target: target}
}

// state is the state of the only row.
func state(t *testing.T, l *Ledger) State {
	t.Helper()
	rows := l.Rows()
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	return rows[0].State
}

func TestLedgerTransitions(t *testing.T) {
	const lose = Lost
	for _, c := range []struct {
		steps []State
		want  State
	}{
		{[]State{Begun}, Begun},
		{[]State{Begun, Changed}, Changed},
		{[]State{Begun, Unchanged}, Unchanged},
		{[]State{Begun, Failed}, Failed},
		{[]State{Begun, lose}, Lost},
		{[]State{Begun, Changed, lose}, Changed},
		{[]State{Begun, Failed, lose}, Failed},
		{[]State{Begun, lose, Begun}, Begun},
		{[]State{Begun, Failed, Begun}, Begun},
		{[]State{Begun, Failed, Begun, lose}, Lost},
		{[]State{Begun, lose, Changed}, Changed},
		{[]State{Changed, Begun}, Changed},
		{[]State{Changed, Begun, lose}, Changed},
		{[]State{Changed, Begun, Unchanged}, Unchanged},
		{[]State{Unchanged, Failed}, Failed},
	} {
		l := NewLedger()
		for _, s := range c.steps {
			if s == lose {
				l.Lost("m")
			} else {
				l.Put(hostA, result(s, "m", "h", "/t"))
			}
		}
		if got := state(t, l); got != c.want {
			t.Errorf("%v: %v, want %v", c.steps, got, c.want)
		}
	}
}

func TestLostHasItsCode(t *testing.T) {
	l := NewLedger()
	l.Put(hostA, result(Begun, "m", "h", "/t"))
	if rows := l.Lost("another"); rows != nil {
		t.Errorf("another's death changed %v", rows)
	}
	rows := l.Lost("m")
	if len(rows) != 1 || rows[0].Code != LostCode || rows[0].State != Lost || rows[0].State.String() != "lost" {
		t.Errorf("lost: %+v", rows)
	}
}

func TestLostMemberOfEarlierAttemptChangesNothing(t *testing.T) {
	l := NewLedger()
	l.Put(hostA, result(Begun, "first", "h", "/t"))
	l.Put(hostA, result(Begun, "second", "h", "/t"))
	l.Lost("first")
	if got := state(t, l); got != Begun {
		t.Errorf("%v", got)
	}
}

func TestClonesDoNotOverwriteEachOther(t *testing.T) {
	l := NewLedger()
	l.Put(hostB, result(Changed, "m1", "clone", "/t"))
	l.Put(hostA, result(Failed, "m2", "clone", "/t"))
	l.Put(netip.MustParseAddr("::ffff:10.0.0.1"), result(Changed, "m3", "clone", "/other"))
	l.Put(hostA, result(Begun, "m4", "another", "/t"))
	var got []string
	for _, r := range l.Rows() {
		got = append(got, fmt.Sprint(r.Host, " ", r.Source, " ", r.Target, " ", r.State))
	}
	want := []string{
		"another 10.0.0.1 /t begun", "clone 10.0.0.1 /other changed", "clone 10.0.0.1 /t failed", "clone 10.0.0.2 /t changed",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExpectCountsDistinctCompletions(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	l := NewLedger()
	one, two, none := l.Expect(1), l.Expect(2), l.Expect(0)
	if !closed(none) || closed(one) {
		t.Fatal("expectations before anything happened")
	}
	l.Put(hostA, result(Failed, "m", "h", "/t"))
	if closed(one) {
		t.Fatal("a failure is no completion")
	}
	for _, s := range []State{Changed, Unchanged, Failed, Changed} {
		l.Put(hostA, result(s, "m", "h", "/t"))
	}
	if !closed(one) || closed(two) || !closed(l.Expect(1)) {
		t.Fatal("one host completed, however often")
	}
	l.Put(hostB, result(Unchanged, "m", "h", "/t"))
	if !closed(two) {
		t.Fatal("two hosts completed")
	}
}

func TestLedgerTakesOnlyKnownStates(t *testing.T) {
	l := NewLedger()
	for _, s := range []State{0, Lost, 6, 255} {
		if _, ok := l.Put(hostA, result(s, "m", "h", "/t")); ok || s.String() != "" && s != Lost {
			t.Errorf("state %d was taken", s)
		}
	}
	if c := l.Counts(); c != (Counts{}) {
		t.Errorf("%+v", c)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := NewLedger()
	for i := range maxRows + 10 {
		l.Put(sourceOf(i*sourceShare/maxRows), result(Begun, "m", "h", fmt.Sprint("/", i)))
	}
	if c := l.Counts(); c.Known != maxRows || c.Overflow != 10 {
		t.Errorf("%+v", c)
	}
	// What is known goes on being updated.
	if _, ok := l.Put(sourceOf(0), result(Changed, "m", "h", "/0")); !ok {
		t.Error("a known row was not updated")
	}
	wide := NewLedger()
	long := strings.Repeat("x", maxTarget-10)
	for i := range maxRowsBytes/len(long) + 100 {
		wide.Put(sourceOf(i%100), result(Begun, "m", "h", fmt.Sprint(i, long)))
	}
	if c := wide.Counts(); c.Known > maxRowsBytes/len(long) || c.Overflow < 100 {
		t.Errorf("%d rows with long names, %d dropped", c.Known, c.Overflow)
	}
}

// sourceOf is one of many addresses.
func sourceOf(k int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(k >> 8), byte(k)}) }

// Who invents hosts leaves room for others, and counts as one.
func TestLiarFillsNoLedger(t *testing.T) {
	l := NewLedger()
	two := l.Expect(2)
	for i := range maxRows {
		l.Put(hostA, result(Changed, "m", fmt.Sprint("h", i), "/t"))
	}
	if c := l.Counts(); c.Known != maxRows/sourceShare || c.Hosts != 1 {
		t.Errorf("%+v", c)
	}
	select {
	case <-two:
		t.Error("one address was taken for two hosts")
	default:
	}
	long := strings.Repeat("x", maxTarget-10)
	for i := range maxRowsBytes / len(long) {
		l.Put(sourceOf(1), result(Begun, "m", "h", fmt.Sprint(i, long)))
	}
	if l.bytes > maxRowsBytes/4 {
		t.Errorf("%d bytes of one source", l.bytes)
	}
	if _, ok := l.Put(hostB, result(Unchanged, "m", "h", "/t")); !ok {
		t.Error("no room is left for another")
	}
	<-two
}

// The seed's own host, and hosts behind one address where that was said, count each.
func TestExpectOfOneAddress(t *testing.T) {
	for name, c := range map[string]struct {
		source netip.Addr
		shared bool
		hosts  int
	}{
		"one address":    {hostA, false, 1},
		"shared address": {hostA, true, 3},
		"own host":       {netip.MustParseAddr("127.0.0.1"), false, 3},
	} {
		l := NewLedger()
		if c.shared {
			l.ShareAddresses()
		}
		for _, target := range []string{"/a", "/b", "/c"} {
			l.Put(c.source, result(Changed, "m", "h", target))
		}
		if got := l.Counts(); got.Hosts != c.hosts || got.Completed != 3 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The counters are what counting the rows gives, whatever happens in which order.
func TestCountsMatchRows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	l := NewLedger()
	ever := make(map[string]bool)
	for range 5000 {
		m, h := fmt.Sprint("m", rnd.IntN(20)), fmt.Sprint("h", rnd.IntN(30))
		if rnd.IntN(4) == 0 {
			l.Lost(m)
			continue
		}
		s := State(1 + rnd.IntN(4))
		l.Put(hostA, result(s, m, h, "/t"))
		ever[h] = ever[h] || s.Complete()
	}
	want := Counts{}
	text := 0
	for _, r := range l.Rows() {
		want.Known++
		text += textLen(r.Result)
		switch r.State {
		case Begun:
			want.Begun++
		case Changed:
			want.Changed++
		case Unchanged:
			want.Unchanged++
		case Failed:
			want.Failed++
		case Lost:
			want.Lost++
		}
		if ever[r.Host] {
			want.Completed++
		}
	}
	want.Hosts = min(want.Completed, 1) // all of one address
	if got := l.Counts(); got != want || l.bytes != text {
		t.Errorf("%+v with %d bytes\nwant %+v with %d", got, l.bytes, want, text)
	}
}

func TestLedgerIsSafeForConcurrentUse(t *testing.T) {
	l := NewLedger()
	l.ShareAddresses()
	done := l.Expect(200)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 25 {
				h := fmt.Sprint("h", g, "-", i)
				l.Put(hostA, result(Begun, h, h, "/t"))
				l.Counts()
				l.Put(hostA, result(Changed, h, h, "/t"))
				l.Lost(h)
				l.Rows()
			}
		})
	}
	wg.Wait()
	<-done
}
