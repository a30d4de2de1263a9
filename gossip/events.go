package gossip

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Reasons to refuse a member.
var (
	errFull  = errors.New("too many members")
	errOther = errors.New("member of another swarm")
	errName  = errors.New("malformed member name")
	errAddr  = errors.New("address that can't be dialed")
	errSpeak = errors.New("incompatible memberlist version")
)

// member is what the table holds of one member.
type member struct {
	alive bool
	addr  netip.AddrPort
	meta  Meta
	since time.Time // of the last change of alive

	queued   bool // its name is in table.queue
	told     bool // the reader believes it is up, with these:
	toldAddr netip.AddrPort
	toldMeta Meta
}

// table is our own copy of the view (memberlist's pointers lead into live state that only its lock guards), and the queue of
// what the reader of Events hasn't been told. memberlist calls it under its lock, so nothing here blocks or calls back. Safe for
// concurrent use.
//
// It remembers dead members as long as memberlist may (reapAfter), so that its length bounds memberlist's memory too.
type table struct {
	max  int           // cap on len(members)
	wake chan struct{} // capacity 1: queue may be non-empty

	mu      sync.Mutex
	members map[string]*member
	queue   []string // names with something to tell, each once, oldest first
	alive   int
	purged  time.Time // of the last purge
}

func newTable(limit int) *table {
	return &table{max: limit, wake: make(chan struct{}, 1), members: make(map[string]*member)}
}

// admit makes room for name, or says that there is none. It counts from here and not from up: memberlist keeps a record of a
// member that it then doesn't announce (incarnation 0).
func (t *table) admit(name string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.members[name] != nil {
		return nil
	}
	if len(t.members) >= t.max {
		t.purge(now)
	}
	if len(t.members) >= t.max {
		return errFull
	}
	t.members[name] = &member{since: now}
	return nil
}

// purge forgets those that memberlist has reaped, looking once a second at most.
func (t *table) purge(now time.Time) {
	if now.Sub(t.purged) < time.Second {
		return
	}
	t.purged = now
	keep := reapAfter(len(t.members))
	for name, m := range t.members {
		if !m.alive && !m.told && !m.queued && now.Sub(m.since) > keep {
			delete(t.members, name)
		}
	}
}

// up records that name is alive, with this address and Meta.
func (t *table) up(name string, addr netip.AddrPort, meta Meta, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.members[name]
	if m == nil {
		m = &member{}
		t.members[name] = m
	}
	if !m.alive {
		m.alive, m.since = true, now
		t.alive++
	}
	m.addr, m.meta = addr, meta
	t.push(name, m)
}

// down records that name is gone.
func (t *table) down(name string, meta Meta, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.members[name]
	if m == nil || !m.alive {
		return
	}
	m.alive, m.since, m.meta = false, now, meta
	t.alive--
	t.push(name, m)
}

// push queues name for the reader.
func (t *table) push(name string, m *member) {
	if !m.queued {
		m.queued = true
		t.queue = append(t.queue, name)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest thing the reader doesn't know, and takes it as told; false if there is nothing.
func (t *table) next() (Event, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > 0 {
		name := t.queue[0]
		t.queue = t.queue[1:]
		m := t.members[name]
		m.queued = false
		if kind := m.news(); kind != 0 {
			m.told, m.toldAddr, m.toldMeta = m.alive, m.addr, m.meta
			return Event{Kind: kind, Member: name, Addr: m.addr, Meta: m.meta}, true
		}
	}
	t.queue = nil
	return Event{}, false
}

// news is the one step from what the reader was told to what is; 0 if they are the same. A member that went and came back
// unseen is Changed if anything is different, one that came and went unseen is nothing.
func (m *member) news() EventKind {
	switch {
	case m.alive && !m.told:
		return Up
	case m.alive && (m.addr != m.toldAddr || m.meta != m.toldMeta):
		return Changed
	case !m.alive && m.told && m.meta.State == Leaving:
		return Left
	case !m.alive && m.told:
		return Dead
	}
	return 0
}

// count is the number of living members.
func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alive
}

// has tells whether a living member is at addr.
func (t *table) has(addr netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		if m.alive && m.addr == addr {
			return true
		}
	}
	return false
}

// view copies the living members as Up events, sorted by name.
func (t *table) view() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Event, 0, t.alive)
	for name, m := range t.members {
		if m.alive {
			all = append(all, Event{Kind: Up, Member: name, Addr: m.addr, Meta: m.meta})
		}
	}
	slices.SortFunc(all, func(a, b Event) int { return cmp.Compare(a.Member, b.Member) })
	return all
}
