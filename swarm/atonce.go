package swarm

import (
	"time"

	"p2pcp/blocks"
)

// Large Blocks go one after another rather than all at once, each on a thin flow: few of them fill a link, and what has come can be passed
// on. Simulated at 200 Mbit/s, of the limit: 64 receivers with 1 MiB x 1024 take 1.039 instead of 1.043, 256 with 256 Blocks of 1 MiB 1.17
// instead of 1.20 and of 4 MiB 1.11 instead of 1.18. Of 4 MiB five at a time take 64 receivers 1.080 and 256 1.126, six 1.083 and 1.136, four
// 1.090 and 1.128, three 256 1.150: a hop takes as many Blocks' times as a host sends at once, but few leave links idle. With 512 KiB and less
// nothing changes, nor among so few that they are no more sessions.
const (
	atOnceBytes = 12 << 20 // on their way to us, and as many from us
	atOnceMin   = 5        // Blocks
	slowFlow    = 4        // times slower than an even share of our link: a Block isn't counted, or the slowest would have all places
)

// Whose peers happen to send to it more slowly than others do falls behind, and is last by a Block's time for each Block that it is behind:
// it may have some more on their way. Simulated, 10,000 receivers of 256 Blocks of 4 MiB take 1.145 to 1.151 (six runs, mean 1.149) instead
// of 1.156 and 1.161. Where many have more at a time all are slower: 1000 receivers with 0.95 take 1.157 instead of 1.125.
const (
	lagBlocks = 24  // Blocks' times for which what comes is smoothed
	lagShare  = 0.9 // of the most that ever came: who gets less lags
	lagMore   = 2   // Blocks that it may have on their way beyond atOnce
)

// findLag notes whether less comes than did, once half is there. Before that Blocks are too few to go round.
func (c *Core) findLag(rate float64, past time.Duration) {
	c.pace += (rate - c.pace) * min(past.Seconds()*c.most/(lagBlocks*float64(c.cfg.BlockSize)), 1)
	c.paced = max(c.paced, c.pace)
	c.lags = c.n > 0 && c.have.Count() > c.n/2 && c.pace < lagShare*c.paced
}

// atOnce is how many Blocks may be on their way to us at a time, and as many from us.
func (c *Core) atOnce() int { return max(int(atOnceBytes/c.cfg.BlockSize), atOnceMin) }

// depth is how many Requests may be outstanding on a session. Who has fewer sessions than others needs more of each: with one alone it is
// late by as much as its peers serve others meanwhile (simulated, 256 receivers, 128 KiB x 2048: the last one at 1.062 instead of 1.055).
// Large Blocks go a few at a time, and more of them would wait for each other (64 receivers, 4 MiB x 256: 1.094 instead of 1.084).
func (c *Core) depth() int {
	if c.crowded() && len(c.peers) < c.cfg.Degree && c.atOnce() > c.cfg.Degree {
		return c.cfg.Depth + 1
	}
	return c.cfg.Depth
}

// mayAsk tells whether another Request may go out beside those to other peers. A no holds until c.sated is cleared, so that who has all it
// may have doesn't look at all its peers for each HAVE.
func (c *Core) mayAsk() bool {
	c.sated = c.sated || c.hasEnough()
	return !c.sated
}

// hasEnough tells whether as many Blocks are on their way to us as may be.
func (c *Core) hasEnough() bool {
	most := c.atOnce()
	if most >= len(c.peers) || c.asks < most {
		return false
	}
	if c.lags {
		most += lagMore
	}
	n := 0
	for s := c.owing; s != 0; {
		p := c.peers[s.next()]
		if p.overdue || (p.rate > 0 && p.rate*float64(most)*slowFlow < c.most) {
			continue
		}
		ahead := c.ahead(p)
		for k := range p.reqs {
			if r := &p.reqs[k]; !r.arrived && r.left() > ahead {
				n++
			}
		}
	}
	return n >= most
}

// full tells whether no more Blocks may be sent now.
func (c *Core) full() bool { return c.places() <= 0 }

// fullFor tells whether i may not be sent now: the Manifest waits for no content, unless Uploads is set.
func (c *Core) fullFor(i blocks.Index) bool {
	return c.full() && (c.cfg.Uploads > 0 || uint32(i) >= c.manifest)
}

// places is how many more Blocks may be sent now. A seed's go to receivers that get as many from others besides, so one more fills its link:
// 64 receivers with 1 MiB x 1024 take 1.038 instead of 1.040 (six seed numbers), 1000 with 256 Blocks of 4 MiB 1.124 instead of 1.125.
func (c *Core) places() int {
	if c.cfg.Uploads > 0 {
		return c.cfg.Uploads - c.uploads
	}
	most := c.atOnce()
	if c.cfg.Seed {
		most++
	}
	return most - c.uploads + c.slow
}

// findSlow counts the Blocks that have been on their way from us for too long to be counted until the next Tick.
func (c *Core) findSlow() {
	c.slow = 0
	most := c.slowBlock(c.atOnce())
	for s := c.sending; s != 0; {
		p := c.peers[s.next()]
		for k := range p.sends {
			if c.now-p.sends[k].since >= most {
				c.slow++
			}
		}
	}
}

// slowBlock is how long a Block takes slowFlow times slower than the even share that each of n has of a full link.
func (c *Core) slowBlock(n int) time.Duration {
	if c.most <= 0 {
		return time.Hour
	}
	return time.Duration(min(slowFlow*float64(n)*float64(c.cfg.BlockSize)/c.most, 3600) * float64(time.Second))
}

// outflow smooths what a seed sends, over about a second, and notes the most that it ever was.
func (c *Core) outflow(past time.Duration) {
	u := &c.push
	u.rate += (float64(u.given)/past.Seconds() - u.rate) / 20
	u.given, c.most = 0, max(c.most, u.rate)
}
