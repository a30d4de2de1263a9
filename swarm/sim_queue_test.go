package swarm

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// simEvent is something that happens at a moment. Those of the same moment happen in the order in which they were made.
type simEvent struct {
	at  time.Duration
	seq uint64
	msg *simMsg
}

func (a simEvent) compare(b simEvent) int {
	if a.at != b.at {
		return cmp.Compare(a.at, b.at)
	}
	return cmp.Compare(a.seq, b.seq)
}

// simFar are events beyond the wheel.
type simFar []simEvent

func (q simFar) Len() int           { return len(q) }
func (q simFar) Less(a, b int) bool { return q[a].compare(q[b]) < 0 }
func (q simFar) Swap(a, b int)      { q[a], q[b] = q[b], q[a] }
func (q *simFar) Push(x any)        { *q = append(*q, x.(simEvent)) }
func (q *simFar) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

const (
	simSlot  = 1 << 18 // ns that a slot of the wheel holds
	simSlots = 1 << 9  // 134 ms in all
)

// simQueue is a wheel of slots, each sorted when its time comes: millions of events a second of virtual time wait for some tens of
// milliseconds each, and a heap of them misses the cache at every level.
type simQueue struct {
	slots [simSlots][]simEvent
	turn  int64 // the slot that is being emptied, counted from time 0
	next  int   // of its events, which comes next
	far   simFar
	count int
}

func (q *simQueue) push(e simEvent) {
	q.count++
	turn := int64(e.at / simSlot)
	if turn >= q.turn+simSlots {
		heap.Push(&q.far, e)
		return
	}
	s := &q.slots[turn%simSlots]
	*s = append(*s, e)
	if turn == q.turn {
		for k := len(*s) - 1; k > q.next && (*s)[k].compare((*s)[k-1]) < 0; k-- {
			(*s)[k], (*s)[k-1] = (*s)[k-1], (*s)[k]
		}
	}
}

// before takes the earliest event, if it is earlier than end; one that isn't must be there.
func (q *simQueue) before(end time.Duration) (simEvent, bool) {
	for {
		s := &q.slots[q.turn%simSlots]
		if q.next < len(*s) {
			e := (*s)[q.next]
			if e.at >= end {
				return simEvent{}, false
			}
			q.next++
			q.count--
			return e, true
		}
		if int64(end-1)/simSlot <= q.turn {
			return simEvent{}, false
		}
		*s, q.next = (*s)[:0], 0
		q.turn++
		for len(q.far) > 0 && int64(q.far[0].at/simSlot) < q.turn+simSlots {
			e := heap.Pop(&q.far).(simEvent)
			at := &q.slots[int64(e.at/simSlot)%simSlots]
			*at = append(*at, e)
		}
		slices.SortFunc(q.slots[q.turn%simSlots], simEvent.compare)
	}
}

// ahead is the message of the event that comes so many after the next one, nil if it isn't sorted yet.
func (q *simQueue) ahead(k int) *simMsg {
	if s := q.slots[q.turn%simSlots]; q.next+k < len(s) {
		return s[q.next+k].msg
	}
	return nil
}

// glance looks at what the next events will need, so that it comes from memory meanwhile: with thousands of nodes little is in the cache.
func (s *sim) glance() {
	if m := s.queue.ahead(16); m != nil {
		s.seen += int(m.hop)
	}
	if m := s.queue.ahead(12); m != nil && m.pipe != nil {
		s.seen += m.pipe.flight + int(m.pipe.hops)
	}
	if m := s.queue.ahead(8); m != nil && m.pipe != nil {
		s.seen += m.pipe.to.id + int(m.pipe.back.hops)
	}
	if m := s.queue.ahead(4); m != nil && m.pipe != nil {
		c := m.pipe.to.core
		s.seen += int(c.missing) + int(c.ids[0]) + len(c.rows)
	}
}
