package hostile

import (
	"context"

	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// Attack is one way to misbehave.
type Attack struct {
	Name  string
	Width int // connections to each member at a time; 0: 1
	Kind  port.Kind
	Hello func(c *Conn, h *wire.Hello)       // changes ours; nil: a receiver that holds nothing
	Do    func(ctx context.Context, c *Conn) // after HELLO
	Raw   func(ctx context.Context, c *Conn) // instead of HELLO and Do
	Blame string                             // what the others say against it; empty: nothing, since it can't be told from bad luck
	Bans  bool                               // it is banned in the end
}

func (a Attack) kind() port.Kind {
	if a.Kind == 0 {
		return port.Session
	}
	return a.Kind
}

// Attacks are all of them.
func Attacks() []Attack {
	var all []Attack
	for _, list := range [][]Attack{lies(), floods(), crowds(), results(), nonsense()} {
		all = append(all, list...)
	}
	return all
}

// Named is one of Attacks; it panics where there is none of that name.
func Named(name string) Attack {
	for _, a := range Attacks() {
		if a.Name == name {
			return a
		}
	}
	panic("hostile: no attack " + name)
}

// complete claims everything.
func complete(_ *Conn, h *wire.Hello) {
	if h.Header != nil {
		h.Form = wire.Every
	}
}
