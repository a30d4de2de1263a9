package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"p2pcp/internal/port"
)

const maxAddrs = 4 // in a ticket

// hostName is the host's name, or "localhost" where it has none.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// ownAddrs lists where others are likely to reach us, best first: the address that the default route would use, then those of
// physical interfaces, then of others that don't look like a container bridge; loopback only when there is nothing else.
func ownAddrs(only4 bool) []netip.Addr {
	list := routeAddrs()
	ifaces, _ := net.Interfaces()
	slices.SortStableFunc(ifaces, func(a, b net.Interface) int { return interfaceRank(a) - interfaceRank(b) })
	for _, f := range ifaces {
		if interfaceRank(f) < rankNever {
			list = append(list, interfaceAddrs(f)...)
		}
	}
	list = distinct(list)
	if only4 {
		list = slices.DeleteFunc(list, netip.Addr.Is6)
	}
	if len(list) == 0 {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return list[:min(len(list), maxAddrs)]
}

// routeAddrs asks the kernel which source address the default routes use. No packet is sent: 192.0.2.1 and 2001:db8::1 are
// documentation addresses, and connecting a UDP socket only looks up the route.
func routeAddrs() []netip.Addr {
	var list []netip.Addr
	for network, to := range map[string]string{"udp4": "192.0.2.1:9", "udp6": "[2001:db8::1]:9"} {
		c, err := net.Dial(network, to)
		if err != nil {
			continue
		}
		if a, ok := netip.AddrFromSlice(c.LocalAddr().(*net.UDPAddr).IP); ok && usable(a.Unmap()) {
			list = append(list, a.Unmap())
		}
		_ = c.Close()
	}
	slices.SortFunc(list, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return list
}

// Ranks of interfaces, the best lowest.
const (
	rankPhysical = iota
	rankOther
	rankBridge
	rankNever
)

func interfaceRank(f net.Interface) int {
	if f.Flags&net.FlagUp == 0 || f.Flags&net.FlagLoopback != 0 {
		return rankNever
	}
	if _, err := os.Stat(filepath.Join("/sys/class/net", f.Name, "device")); err == nil {
		return rankPhysical
	}
	for _, prefix := range []string{"docker", "br-", "virbr", "cni", "flannel", "cali", "veth", "podman", "lxc", "tailscale", "wg", "tun"} {
		if strings.HasPrefix(f.Name, prefix) {
			return rankBridge
		}
	}
	return rankOther
}

func interfaceAddrs(f net.Interface) []netip.Addr {
	addrs, err := f.Addrs()
	if err != nil {
		return nil
	}
	var v4, v6 []netip.Addr
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok || !usable(ip.Unmap()) {
			continue
		}
		if ip = ip.Unmap(); ip.Is4() {
			v4 = append(v4, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	return append(v4, v6...)
}

// usable leaves out what another host can't dial.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}

// distinct keeps the first of equal addresses.
func distinct[T comparable](list []T) []T {
	var out []T
	for _, a := range list {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// withPort gives every address the port.
func withPort(list []netip.Addr, port uint16) []netip.AddrPort {
	out := make([]netip.AddrPort, len(list))
	for i, a := range list {
		out[i] = netip.AddrPortFrom(a, port)
	}
	return out
}

// resolveAll resolves each HOST:PORT to all of its addresses.
func resolveAll(ctx context.Context, list []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range list {
		host, port, err := splitAddress(s)
		if err != nil {
			return nil, usagef("", "%s: %w", quoteArg(s), err)
		}
		if a, err := netip.ParseAddr(host); err == nil {
			out = append(out, netip.AddrPortFrom(a.Unmap(), port))
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, exitf(exitNobody, "is the name right?", "find %s: %w", quoteArg(host), err)
		}
		for _, a := range addrs {
			out = append(out, netip.AddrPortFrom(a.Unmap(), port))
		}
	}
	return out, nil
}

// checkListen checks the form of --listen: HOST:PORT, :PORT, PORT, HOST or empty. IPv6 addresses with a port stand in brackets.
func checkListen(s string) error {
	host, number, named, err := port.SplitListen(s)
	if err != nil {
		return err
	}
	if named && number == 0 {
		return errors.New("port 0 can't be told to others; leave the port out to take the first free one")
	}
	return checkHost(host)
}

// checkReach checks the form of an address that others dial: HOST:PORT.
func checkReach(s string) error {
	host, number, err := splitAddress(s)
	switch {
	case err != nil:
		return err
	case host == "":
		return errors.New("the host is missing")
	case number == 0:
		return errors.New("port 0 can't be dialed")
	}
	return checkHost(host)
}

func splitAddress(s string) (host string, number uint16, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errors.New("not HOST:PORT (an IPv6 address stands in brackets)")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number up to 65535", text)
	}
	return host, uint16(n), nil
}

func checkHost(host string) error {
	if strings.ContainsAny(host, " /@[]") || !printable(host) {
		return fmt.Errorf("%q is no host", host)
	}
	// No domain is all digits, so this was meant to be an address.
	last := host[strings.LastIndexByte(host, '.')+1:]
	if _, err := netip.ParseAddr(host); last != "" && strings.Trim(last, "0123456789") == "" && err != nil {
		return fmt.Errorf("%q is no IP address", host)
	}
	return nil
}
