package main

import (
	"slices"

	"p2pcp/internal/lab"
)

// zoned is a case with two zones: the seed's, and one as large behind a link of a host's rate.
type zoned bool

// far is how many of the receivers are in the second zone.
func (z zoned) far(receivers int) int {
	if !z {
		return 0
	}
	return receivers / 2
}

// args are what a process on a host is told of its zone.
func (z zoned) args(h *lab.Host, s *stage) []string {
	if !z {
		return nil
	}
	if all := s.lab.Hosts(); slices.Index(all, h) >= len(all)-z.far(s.receivers) {
		return []string{"--zone", "far"}
	}
	return []string{"--zone", "near"}
}

// crossing is what crossed between the zones so far.
func (z zoned) crossing(l *lab.Lab) (c crossing, err error) {
	if z {
		c.away, c.back, err = l.Crossed()
	}
	return c, err
}

// crossing is bytes over the link between the zones: away from the seed, and back.
type crossing struct{ away, back uint64 }

// figures adds what crossed since before, in copies of a file.
func (z zoned) figures(o outcome, before, after crossing, size float64) {
	if z {
		o["crossed"] = float64(after.away-before.away) / size
		o["crossed back"] = float64(after.back-before.back) / size
	}
}
