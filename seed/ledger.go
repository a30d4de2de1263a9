package seed

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// State is how far a receiver is, as the seed knows it.
//
//	(none) -> Begun -> Changed | Unchanged | Failed     as the receiver says
//	          Begun -> Lost                              as the membership says
//	Failed, Lost -> Begun                                the same command again
type State uint8

// States of a row. The first four have the numbers of PROTOCOL 4.3; Lost is never received.
const (
	Begun     State = 1 + iota // has joined and is not done
	Changed                    // done, the target was written
	Unchanged                  // done, the target was right already
	Failed                     // gave up, Reason says why
	Lost                       // died without a word
)

// String returns the state's name as reports show it, "" for an unknown one.
func (s State) String() string {
	switch s {
	case Begun:
		return "begun"
	case Changed:
		return "changed"
	case Unchanged:
		return "unchanged"
	case Failed:
		return "failed"
	case Lost:
		return "lost"
	}
	return ""
}

// Complete tells whether the receiver has the content.
func (s State) Complete() bool { return s == Changed || s == Unchanged }

// LostCode is the exit code noted for a receiver that died without a word.
const LostCode = 6

// Result is what a receiver says of itself (PROTOCOL 4.3).
type Result struct {
	State  State
	Code   uint8  // exit code
	Member string // its process
	Host   string
	Target string // path
	Reason string // of a failure
	Bytes  uint64 // content bytes fetched
	Millis uint64 // since its start
}

// Row is the latest Result of one (host, target).
type Row struct {
	Result
	Source netip.Addr // where the host was seen
}

// Counts are a Ledger's sums. Known = Begun + Changed + Unchanged + Failed + Lost.
type Counts struct {
	Known, Begun, Changed, Unchanged, Failed, Lost int
	Completed                                      int // rows that were complete at any time
	Hosts                                          int // of them, those that count for Expect
	Overflow                                       int // results dropped because the Ledger is full
}

// Limits of a Ledger, so that a member that invents hosts can't exhaust memory.
const (
	maxRows      = 1 << 16  // rows
	maxRowsBytes = 32 << 20 // bytes of text in all rows together
	sourceShare  = 16       // part of either that one source may fill
)

// from is what a source has in the Ledger.
type from struct {
	rows, bytes int
	counted     bool // a completion of it counts for Expect
}

// rowKey: the source is part of it, so that clones with one name, and liars, don't overwrite each other.
type rowKey struct {
	host   string
	source netip.Addr
	target string
}

type row struct {
	Row
	completed bool // at any time
}

// Ledger is the record of each (host, target) and its latest result. Use NewLedger. Safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	rows    map[rowKey]*row
	sources map[netip.Addr]*from
	shared  bool // an address may stand for many hosts
	bytes   int  // of text in rows; at most maxRowsBytes
	counts  Counts
	waits   []expectation
}

type expectation struct {
	n    int
	done chan struct{}
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{rows: make(map[rowKey]*row), sources: make(map[netip.Addr]*from)}
}

// ShareAddresses makes every row count for Expect, not every address: for receivers behind one address. Call it before the first Put.
func (l *Ledger) ShareAddresses() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shared = true
}

// Put records a receiver's Result, seen from source. Text is cut to the protocol's limits and cleaned of what a terminal would
// act on. It returns the row as it now is; false if nothing was recorded: an unknown state, a Begun for what is complete
// already, or a full Ledger.
func (l *Ledger) Put(source netip.Addr, r Result) (Row, bool) {
	if r.State < Begun || r.State > Failed {
		return Row{}, false
	}
	r = cleanResult(r)
	source = source.Unmap().WithZone("")
	l.mu.Lock()
	defer l.mu.Unlock()
	key := rowKey{host: r.Host, source: source, target: r.Target}
	old := l.rows[key]
	if old != nil && old.State.Complete() && r.State == Begun {
		return old.Row, false
	}
	grown := textLen(r)
	if old != nil {
		grown -= textLen(old.Result)
	}
	s := l.sources[source]
	if s == nil {
		s = &from{}
	}
	if l.full(s, old == nil, grown) {
		l.counts.Overflow++
		return Row{}, false
	}
	l.sources[source] = s
	l.bytes += grown
	s.bytes += grown
	if old == nil {
		old = &row{Row: Row{Source: source}}
		l.rows[key] = old
		l.counts.Known++
		s.rows++
	} else {
		*l.tally(old.State)--
	}
	old.Result = r
	*l.tally(r.State)++
	l.complete(old)
	return old.Row, true
}

// full tells whether there is no room for so many bytes more of a source: anyone may invent hosts, but not leave none for others.
func (l *Ledger) full(s *from, fresh bool, grown int) bool {
	if fresh && (len(l.rows) >= maxRows || s.rows >= maxRows/sourceShare) {
		return true
	}
	return l.bytes+grown > maxRowsBytes || s.bytes+grown > maxRowsBytes/sourceShare
}

// complete counts a row's first completion and wakes who expected it. An address counts once, whatever hosts it says it is; those on
// the seed's own host all count.
func (l *Ledger) complete(r *row) {
	if r.completed || !r.State.Complete() {
		return
	}
	r.completed = true
	l.counts.Completed++
	s := l.sources[r.Source]
	if s.counted && !l.shared && !r.Source.IsLoopback() {
		return
	}
	s.counted = true
	l.counts.Hosts++
	l.waits = slices.DeleteFunc(l.waits, func(e expectation) bool {
		if l.counts.Hosts < e.n {
			return false
		}
		close(e.done)
		return true
	})
}

// Lost notes that a member died: what it had begun is lost. Rows that are over stay as they are. It returns the rows that changed.
func (l *Ledger) Lost(member string) []Row {
	member = clean(member, maxMember)
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Row
	for _, r := range l.rows {
		if r.Member != member || r.State != Begun {
			continue
		}
		*l.tally(Begun)--
		*l.tally(Lost)++
		r.State, r.Code = Lost, LostCode
		l.bytes -= len(r.Reason)
		l.sources[r.Source].bytes -= len(r.Reason)
		r.Reason = ""
		out = append(out, r.Row)
	}
	sortRows(out)
	return out
}

// tally is the counter of a state that rows can have.
func (l *Ledger) tally(s State) *int {
	switch s {
	case Begun:
		return &l.counts.Begun
	case Changed:
		return &l.counts.Changed
	case Unchanged:
		return &l.counts.Unchanged
	case Failed:
		return &l.counts.Failed
	}
	return &l.counts.Lost
}

// Counts returns the sums.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Rows returns a copy of all rows, sorted by host, source and target.
func (l *Ledger) Rows() []Row {
	l.mu.Lock()
	out := make([]Row, 0, len(l.rows))
	for _, r := range l.rows {
		out = append(out, r.Row)
	}
	l.mu.Unlock()
	sortRows(out)
	return out
}

// Expect returns a channel that is closed once n hosts (Counts.Hosts) have completed; at once if they have, or n is not positive.
func (l *Ledger) Expect(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := make(chan struct{})
	if l.counts.Hosts >= n {
		close(done)
		return done
	}
	l.waits = append(l.waits, expectation{n: n, done: done})
	return done
}

func sortRows(rows []Row) {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), a.Source.Compare(b.Source), cmp.Compare(a.Target, b.Target))
	})
}
