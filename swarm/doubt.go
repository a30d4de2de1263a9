package swarm

import (
	"time"

	"p2pcp/blocks"
)

// A seed doesn't send unasked what some receiver holds already. Anybody can say that it holds everything, and the swarm would have to
// pull every Block out of the seed. So what was never sent from here is believed to be held as long as it comes to others from there.

// fruitTime is how long receivers may wait for the first Block from those that say they hold it.
const fruitTime = time.Second

// fruit notes that p announces i: if we never sent it, and somebody said to hold it, it came from there.
func (c *Core) fruit(i blocks.Index) {
	if c.cfg.Seed && c.recv(i) > 0 && c.rows[i].rank == 0 {
		c.push.fruit = c.now
	}
}

// doubts tells whether i is pushed though receivers say that they hold it.
func (c *Core) doubts(i blocks.Index) bool { return c.push.doubt && c.rows[i].rank == 0 }

// doubtMore decides, once a Tick, whether receivers that want Blocks get none from those that say they have them.
func (c *Core) doubtMore() {
	hungry := false
	for _, p := range c.peers {
		hungry = hungry || (!p.seed && p.allows > 0)
	}
	u := &c.push
	if !hungry {
		u.fruit = c.now
	}
	doubt := c.now-u.fruit > fruitTime && (u.doubt || c.pick.count() == 0)
	if doubt == u.doubt {
		return
	}
	u.doubt = doubt
	for i := range c.n {
		c.choose(blocks.Index(i))
	}
}
