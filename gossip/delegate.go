package gossip

import (
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// maxName is the longest member name in bytes, as in HELLO.
const maxName = 80

// delegate answers memberlist's callbacks. All but NodeMeta come under memberlist's lock: they only copy into the table. None is
// given a member's State: memberlist 0.7 leaves Node.State at its zero value, so who said goodbye is told by Meta.
type delegate struct{ n *Node }

var (
	_ memberlist.Delegate      = delegate{}
	_ memberlist.EventDelegate = delegate{}
	_ memberlist.AliveDelegate = delegate{}
)

// NodeMeta is what we announce of ourselves.
func (d delegate) NodeMeta(int) []byte { return d.n.meta().Append(nil) }

// NotifyMsg, GetBroadcasts, LocalState and MergeRemoteState: the gossip carries no messages and no state of ours.
func (delegate) NotifyMsg([]byte)                {}
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }
func (delegate) LocalState(bool) []byte          { return nil }
func (delegate) MergeRemoteState([]byte, bool)   {}

// NotifyAlive refuses whom we don't want to remember or pass on. Ourselves it must never refuse: memberlist's Leave and
// UpdateNode need our own record.
func (d delegate) NotifyAlive(node *memberlist.Node) error {
	if node.Name == d.n.cfg.Member {
		return nil
	}
	if _, _, err := d.n.read(node); err != nil {
		return err
	}
	return d.n.table.admit(node.Name, time.Now())
}

// NotifyJoin tells of a member that is new, or back.
func (d delegate) NotifyJoin(node *memberlist.Node) {
	if node.Name == d.n.cfg.Member {
		return
	}
	if addr, meta, err := d.n.read(node); err == nil {
		d.n.table.up(node.Name, addr, meta, time.Now())
	}
}

// NotifyUpdate tells of a new Meta.
func (d delegate) NotifyUpdate(node *memberlist.Node) { d.NotifyJoin(node) }

// NotifyLeave tells of a member that left or died.
func (d delegate) NotifyLeave(node *memberlist.Node) {
	if _, meta, err := d.n.read(node); err == nil {
		d.n.table.down(node.Name, meta, time.Now())
	}
}

// read copies out of memberlist's record what we use of it, or says why it is no member of ours.
func (n *Node) read(node *memberlist.Node) (netip.AddrPort, Meta, error) {
	if !validName(node.Name) {
		return netip.AddrPort{}, Meta{}, errName
	}
	addr, ok := netip.AddrFromSlice(node.Addr)
	to := netip.AddrPortFrom(addr.Unmap(), node.Port)
	if !ok || !dialable(to) {
		return netip.AddrPort{}, Meta{}, errAddr
	}
	// One member with other versions would make every merge of states fail.
	if node.PMin > protocol || node.PMax < protocol || node.PCur != protocol || node.DMin != 0 || node.DCur != 0 {
		return netip.AddrPort{}, Meta{}, errSpeak
	}
	meta, err := ParseMeta(node.Meta)
	if err != nil {
		return netip.AddrPort{}, Meta{}, err
	}
	if meta.Swarm != n.cfg.Meta.Swarm {
		return netip.AddrPort{}, Meta{}, errOther
	}
	return to, meta, nil
}

// validName tells whether s can be a member's name.
func validName(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= maxName
}

// dialable tells whether a can be somebody's address. One with a zone can't: memberlist would take it for a name and ask the
// DNS, and it means nothing on another host.
func dialable(a netip.AddrPort) bool {
	ip := a.Addr()
	return ip.IsValid() && ip.Zone() == "" && !ip.IsUnspecified() && !ip.IsMulticast() && a.Port() != 0
}

// slice is addr as memberlist has it.
func slice(addr netip.Addr) net.IP { return net.IP(addr.Unmap().AsSlice()) }
