package swarm

import "net/netip"

// Places are shared out by source: whoever has the key may call itself by any number of names, but not come from any number of
// addresses.

// hostOf is the address that misdeeds are held against: its neighbors in an IPv6 network aren't at fault.
func hostOf(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// sourceOf is what counts as one source: an IPv4 address, or an IPv6 network of 64 bits, since one host may have all of its addresses.
func sourceOf(a netip.Addr) netip.Addr {
	a = hostOf(a)
	if a.Is4() || !a.IsValid() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// crowder is which of the holders of places, given by source in order of arrival, makes room for one more of source when all are
// taken: the newest of the source that holds most of them, unless source would hold as many then. -1: nobody. So who alone comes from its address
// keeps its place, and gets one whoever else is there. An unknown source crowds nobody out.
func crowder(held []netip.Addr, source netip.Addr) int {
	count := map[netip.Addr]int{}
	for _, h := range held {
		count[h]++
	}
	found := -1
	for k, h := range held {
		if h.IsValid() && (found < 0 || count[h] >= count[held[found]]) {
			found = k
		}
	}
	if found < 0 || !source.IsValid() || count[held[found]] < count[source]+2 {
		return -1
	}
	return found
}
