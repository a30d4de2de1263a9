package swarm

import "net/netip"

// Places are shared out by source: whoever has the key may call itself by any number of names, but not come from any number of
// addresses.

// hostOf is the address that misdeeds are held against: its neighbors in an IPv6 network aren't at fault.
func hostOf(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// sourceOf is what counts as one source to those at local: an address, or an IPv6 network of 64 bits that isn't theirs, since one host may have
// all of its addresses. In their own network all the others are at home: 60 names of one host there kept six receivers from getting a file
// for a minute while they counted as one source with it, and for as long as anywhere else since each has its address.
func sourceOf(a, local netip.Addr) netip.Addr {
	a = hostOf(a)
	if n := networkOf(a); n != networkOf(hostOf(local)) {
		return n
	}
	return a
}

// networkZone marks a source that is a network: no host has its address.
const networkZone = "/64"

// networkOf is the 64 bits of an IPv6 address that are its network's; any other address is alone.
func networkOf(a netip.Addr) netip.Addr {
	if a.Is4() || !a.IsValid() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr().WithZone(networkZone)
}

// isNetwork tells whether a source may be many hosts.
func isNetwork(source netip.Addr) bool { return source.Zone() == networkZone }

// isOf tells whether what comes from a counts as source.
func isOf(a, source netip.Addr) bool {
	a = hostOf(a)
	return a == source || networkOf(a) == source
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
