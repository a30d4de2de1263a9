package swarm

import (
	"bytes"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// telling is a Swarm that holds what have lists, and a session of its, without goroutines.
func telling(have ...blocks.Index) (*Swarm, *session) {
	s := &Swarm{have: blocks.NewBitfield(9), sessions: map[PeerID]*session{}}
	for _, i := range have {
		s.have.Set(i)
	}
	ss := &session{s: s, live: true, wake: make(chan struct{}, 1), announced: blocks.NewBitfield(9), fresh: have}
	s.sessions[1] = ss
	return s, ss
}

func haves(spans ...blocks.Span) []byte { return wire.AppendHave(nil, spans) }

func askFor(i blocks.Index) func([]byte) []byte {
	return func(b []byte) []byte { return wire.Request{Index: i, Length: 1}.Append(b) }
}

func (ss *session) mustSay(t *testing.T, want []byte) {
	t.Helper()
	if got := ss.takeControl(nil); !bytes.Equal(got, want) {
		t.Errorf("it says %x, want %x", got, want)
	}
}

func TestHaveGoesAheadOfWhateverGoes(t *testing.T) {
	_, ss := telling(3, 1, 2, 7)
	ss.push(askFor(5))
	ss.mustSay(t, askFor(5)(haves(blocks.Span{First: 1, Count: 3}, blocks.Span{First: 7, Count: 1})))
	ss.mustSay(t, nil)
}

func TestHaveToAnotherZoneWaits(t *testing.T) {
	s, ss := telling(3)
	ss.zone = 1
	ss.push(askFor(5))
	s.flushHave()
	ss.mustSay(t, askFor(5)(nil))
	s.flushFar()
	ss.mustSay(t, haves(blocks.Span{First: 3, Count: 1}))
}

// What an incomplete peer has announced it isn't told, until we are complete; one that loses the Block is told then.
func TestHaveIsLeftOutWhereItTellsNothing(t *testing.T) {
	for _, c := range []struct {
		name      string
		announced []blocks.Index
		seed      bool
		want      []byte
		withheld  bool
	}{
		{"it has one of them", []blocks.Index{2}, false, haves(blocks.Span{First: 3, Count: 1}), true},
		{"it has both", []blocks.Index{2, 3}, false, nil, true},
		{"it has none", []blocks.Index{4}, false, haves(blocks.Span{First: 2, Count: 2}), false},
		{"it is complete", []blocks.Index{0, 1, 2, 3, 4, 5, 6, 7, 8}, false, haves(blocks.Span{First: 2, Count: 2}), false},
		{"it is a seed", []blocks.Index{2}, true, haves(blocks.Span{First: 2, Count: 2}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ss := telling(2, 3)
			for _, i := range c.announced {
				ss.announced.Set(i)
			}
			ss.seed = c.seed
			s.flushHave()
			ss.mustSay(t, c.want)

			var later []byte
			if c.withheld {
				later = haves(blocks.Span{First: 2, Count: 1})
			}
			s.retell(ss, 2)
			s.retell(ss, 8) // which we don't have
			ss.mustSay(t, later)
			if c.withheld {
				later = haves(blocks.Span{First: 2, Count: 2})
			}
			s.tellAll()
			ss.mustSay(t, later)
			s.tellAll()
			ss.mustSay(t, nil)
		})
	}
}

func TestHaveDelayFollowsTheBlocks(t *testing.T) {
	for gap, want := range map[time.Duration]time.Duration{
		0: haveMin, 100 * time.Microsecond: haveMin, 5 * time.Millisecond: 20 * time.Millisecond, time.Second: haveMax,
	} {
		if got := haveDelay(gap); got != want {
			t.Errorf("a Block each %v: %v, want %v", gap, got, want)
		}
	}
}
