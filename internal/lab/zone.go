package lab

import "errors"

// The link between the two bridges of a Lab with far hosts.
const (
	nearEnd = "zone0" // on br0
	farEnd  = "zone1" // on br1
)

// bridge is host i's.
func (cfg Config) bridge(i int) string {
	if i > cfg.Hosts-cfg.Far {
		return "br1"
	}
	return "br0"
}

// split makes the second bridge, if there are far hosts, and the link to it.
func (l *Lab) split(cfg Config) error {
	if cfg.Far == 0 {
		return nil
	}
	err := l.hub.ip(
		"link add br1 type bridge",
		"link set br1 up",
		"link add "+nearEnd+" type veth peer name "+farEnd,
		"link set "+nearEnd+" master br0 up",
		"link set "+farEnd+" master br1 up",
	)
	if err != nil {
		return err
	}
	return errors.Join(l.hub.shape(nearEnd, cfg.Rate), l.hub.shape(farEnd, cfg.Rate))
}

// Crossed is how many bytes went over the link between the bridges, with all headers but the wire's: towards the far hosts, and back.
func (l *Lab) Crossed() (away, back uint64, err error) {
	return l.hub.counters(nearEnd)
}
