package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// The second bridge of a Lab that is cut, and the one behind the router of those who can only dial out.
const (
	cutBridge = "cut0"
	natBridge = "nat0"
)

// natNet is what lies behind the router.
var natNet = netip.MustParsePrefix("192.168.77.0/24")

// sh runs a line in a shell inside, for what has to be written into /proc.
func (s *space) sh(line string) error { return s.run("sh", "-ec", line) }

// tables runs iptables' commands inside, for IPv4 and IPv6.
func (s *space) tables(commands ...string) error {
	var all []string
	for _, c := range commands {
		all = append(all, "iptables -w "+c, "ip6tables -w "+c)
	}
	return s.sh(strings.Join(all, "\n"))
}

// Cut takes these hosts away from the others until Heal: nothing passes between, and no link goes down.
func (l *Lab) Cut(hosts ...*Host) error {
	commands := []string{"link add " + cutBridge + " type bridge", "link set " + cutBridge + " up"}
	for _, h := range hosts {
		commands = append(commands, "link set "+h.port+" master "+cutBridge)
	}
	return l.hub.ip(commands...)
}

// Heal undoes Cut.
func (l *Lab) Heal(hosts ...*Host) error {
	var commands []string
	for _, h := range hosts {
		commands = append(commands, "link set "+h.port+" master br0")
	}
	return l.hub.ip(append(commands, "link del "+cutBridge)...)
}

// Lose makes the host lose a share of the packets that come to it. Its peers must not send several in one (OnePacket), or what is
// lost is more than that.
func (h *Host) Lose(share float64) error {
	return h.space.tables(fmt.Sprintf("-A INPUT -i eth0 -m statistic --mode random --probability %g -j DROP", share))
}

// OnePacket has the link carry each packet by itself, as long as the wire would have it: no segments are put together.
func (h *Host) OnePacket() error {
	return errors.Join(h.space.ip("link set eth0 gso_max_segs 1"), h.lab.hub.ip("link set "+h.port+" gso_max_segs 1"))
}

// DropUDP lets no datagram in.
func (h *Host) DropUDP() error { return h.space.tables("-A INPUT -i eth0 -p udp -j DROP") }

// OnlyPort lets in what comes to one port, TCP and UDP, and answers to what the host has begun by TCP. The rest is dropped.
func (h *Host) OnlyPort(number uint16) error {
	return h.space.tables(
		"-P INPUT DROP", "-A INPUT -i lo -j ACCEPT",
		fmt.Sprintf("-A INPUT -p udp --dport %d -j ACCEPT", number),
		fmt.Sprintf("-A INPUT -p tcp --dport %d -j ACCEPT", number),
		"-A INPUT -p tcp -m conntrack --ctstate ESTABLISHED -j ACCEPT",
	)
}

// Only6 takes the IPv4 address away.
func (h *Host) Only6() error { return h.space.ip("addr flush dev eth0 scope global to 10.77.0.0/16") }

// Bridges gives the host what container engines and hypervisors leave behind: interfaces with the same addresses on every host.
func (h *Host) Bridges() error {
	var commands []string
	for i, name := range []string{"docker0", "br-4f2c81d09a7e", "virbr0", "lxdbr0"} {
		commands = append(commands, "link add "+name+" type bridge", "link set "+name+" up",
			fmt.Sprintf("addr add 172.%d.0.1/16 dev %s", 17+i, name), fmt.Sprintf("addr add fd0%d::1/64 dev %s nodad", i+1, name))
	}
	return h.space.ip(commands...)
}

// NAT puts hosts behind a router with one address outside, the hub's: they dial out and nobody dials in. Who tries is not answered.
func (l *Lab) NAT(inside ...*Host) error {
	router := natNet.Addr().Next()
	commands := []string{"link add " + natBridge + " type bridge", "link set " + natBridge + " up", fmt.Sprintf("addr add %v/24 dev %s", router, natBridge)}
	behind := map[*Host]bool{}
	addr := router
	var errs []error
	for _, h := range inside {
		commands = append(commands, "link set "+h.port+" master "+natBridge)
		addr, behind[h] = addr.Next(), true
		h.addr = addr
		errs = append(errs, h.space.ip("addr flush dev eth0", fmt.Sprintf("addr add %v/24 dev eth0", addr), fmt.Sprintf("route add default via %v", router)))
	}
	out, _ := addrs(0)
	for _, h := range l.hosts {
		if !behind[h] {
			errs = append(errs, h.space.ip(fmt.Sprintf("route add %v via %v", natNet, out)))
		}
	}
	errs = append(errs, l.hub.ip(commands...), l.hub.sh(fmt.Sprintf(`echo 1 >/proc/sys/net/ipv4/ip_forward
		iptables -w -t nat -A POSTROUTING -s %v -o br0 -j MASQUERADE
		iptables -w -A FORWARD -i br0 -o %s -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP`, natNet, natBridge)))
	return errors.Join(errs...)
}

// LetIn undoes Lose, DropUDP and OnlyPort.
func (h *Host) LetIn() error { return h.space.tables("-P INPUT ACCEPT", "-F INPUT") }
