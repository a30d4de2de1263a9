package fleet

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Host is where ssh goes. The zero value is nowhere.
type Host struct {
	User string // empty: as ssh is configured
	Name string // a name that ssh knows, or an address; IPv6 without brackets
	Port uint16 // 0: as ssh is configured
}

// String is the host as ParseHost reads it.
func (h Host) String() string {
	s := h.Name
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if h.Port != 0 {
		s += ":" + strconv.Itoa(int(h.Port))
	}
	if h.User != "" {
		s = h.User + "@" + s
	}
	return s
}

// args are ssh's for this host, before the command.
func (h Host) args() []string {
	var a []string
	if h.Port != 0 {
		a = append(a, "-p", strconv.Itoa(int(h.Port)))
	}
	to := h.Name
	if h.User != "" {
		to = h.User + "@" + to
	}
	return append(a, "--", to)
}

// ParseHost reads [USER@]HOST[:PORT], the same behind ssh://, an IPv6 address in brackets, or one without and then without a port.
// What ssh could take for a flag, and characters that mean something to a shell (of a ProxyCommand), are refused.
func ParseHost(s string) (Host, error) {
	bad := func(why string) (Host, error) { return Host{}, badSet("%q %s", s, why) }
	rest := strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/")
	var h Host
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if h.User, rest = rest[:at], rest[at+1:]; !plainWord(h.User, "@._+%=\\-") {
			return bad("has no user that ssh takes")
		}
	}
	port, named := "", false
	switch {
	case strings.HasPrefix(rest, "["):
		inner, after, closed := strings.Cut(rest[1:], "]")
		h.Name = inner
		port, named = strings.CutPrefix(after, ":")
		if a, err := netip.ParseAddr(inner); !closed || err != nil || !a.Is6() || (after != "" && !named) {
			return bad("is no [IPV6]:PORT")
		}
	case strings.Count(rest, ":") > 1:
		if a, err := netip.ParseAddr(rest); err != nil || !a.Is6() {
			return bad("is no address")
		}
		h.Name = rest
	default:
		h.Name, port, named = strings.Cut(rest, ":")
	}
	if !plainWord(h.Name, "._-:%") {
		return bad("is no name of a host")
	}
	if named {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad("has no port from 1 to 65535")
		}
		h.Port = uint16(n)
	}
	return h, nil
}

// plainWord tells whether s consists of ASCII letters, digits and what else is allowed, and doesn't begin as a flag does.
func plainWord(s, also string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(also, r) {
			return false
		}
	}
	return s != "" && s[0] != '-'
}

// ParseHosts expands a list and reads each of its names.
func ParseHosts(set string) ([]Host, error) {
	names, err := Expand(set)
	if err != nil {
		return nil, err
	}
	hosts := make([]Host, 0, len(names))
	for _, n := range names {
		h, err := ParseHost(n)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// maxFile is the most that is read of a file of hosts, in bytes.
const maxFile = 4 << 20

// ReadHosts reads lists of hosts, one or more a line; # begins a comment.
func ReadHosts(r io.Reader) ([]Host, error) {
	in := bufio.NewScanner(io.LimitReader(r, maxFile+1))
	in.Buffer(nil, 1<<20)
	var all []Host
	read := 0
	for n := 1; in.Scan(); n++ {
		if read += len(in.Bytes()) + 1; read > maxFile {
			return nil, badSet("larger than %d bytes", maxFile)
		}
		text, _, _ := strings.Cut(in.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		hosts, err := ParseHosts(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if all = append(all, hosts...); len(all) > MaxHosts {
			return nil, badSet("more than %d hosts", MaxHosts)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	return all, nil
}

// Choose is the hosts without those that are excluded, each once, in their order. An excluded name without user and port stands for
// all of that name.
func Choose(hosts, excluded []Host) []Host {
	gone := map[Host]bool{}
	for _, h := range excluded {
		gone[h] = true
	}
	var out []Host
	for _, h := range hosts {
		if !gone[h] && !gone[Host{Name: h.Name}] {
			gone[h] = true // once is enough
			out = append(out, h)
		}
	}
	return out
}

// SplitWords cuts a command line into words as a shell does: quotes and backslashes keep blanks; nothing else is special.
func SplitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			begun, quote = true, r
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%q ends inside quotes", line)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
