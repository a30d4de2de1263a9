package fleet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxHosts is the most hosts that one push takes: a slip such as node[1-99999999] must not fill the memory.
const MaxHosts = 1 << 14

// Limits of one name, so that short input can't become long output.
const (
	maxWidth = 9   // digits of a number in a range
	maxName  = 512 // bytes, about
	maxRuns  = 8   // brackets with numbers
)

// ErrNodeset is wrapped by every error about the notation of hosts.
var ErrNodeset = errors.New("not a list of hosts")

func badSet(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNodeset, fmt.Errorf(format, args...))
}

// Expand writes out a list of hosts in the notation of pdsh and clush, in its order and each once:
//
//	node[001-010,017],gpu[1-4] r[1-2]n[1-2] n[0-8/2] root@node7:2222 [fd00::1]:22 ssh://node8
//
// Commas and blanks divide names. Brackets with a colon in them are an IPv6 address. It is an error if there are more than MaxHosts.
func Expand(set string) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	words, err := splitSet(set)
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		names, err := expandName(word)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if !seen[n] {
				seen[n] = true
				out = append(out, n)
			}
		}
		if len(out) > MaxHosts {
			return nil, badSet("more than %d hosts", MaxHosts)
		}
	}
	return out, nil
}

// splitSet cuts a list at the commas and blanks outside of brackets.
func splitSet(set string) ([]string, error) {
	var words []string
	start, inside := 0, false
	for i := 0; i <= len(set); i++ {
		switch {
		case i == len(set) && inside:
			return nil, badSet("%q has no ]", set[start:])
		case i == len(set) || !inside && strings.IndexByte(", \t\r\n", set[i]) >= 0:
			if i > start {
				words = append(words, set[start:i])
			}
			start = i + 1
		case set[i] == '[' && inside || set[i] == ']' && !inside:
			return nil, badSet("a %c too many in %q", set[i], set[start:i+1])
		case set[i] == '[' || set[i] == ']':
			inside = !inside
		}
	}
	return words, nil
}

// expandName writes out one name: the first brackets that hold numbers, then what follows, by itself.
func expandName(name string) ([]string, error) {
	names, runs := []string{""}, 0
	for rest := name; rest != ""; {
		plain, tail, found := strings.Cut(rest, "[")
		choices := []string{plain}
		if rest = ""; found {
			inner, after, _ := strings.Cut(tail, "]") // splitSet has seen it
			rest = after
			if strings.Contains(inner, ":") {
				choices = []string{plain + "[" + inner + "]"}
			} else {
				numbers, err := expandNumbers(inner)
				if runs++; err == nil && runs > maxRuns {
					err = badSet("more than %d brackets", maxRuns)
				}
				if err != nil {
					return nil, fmt.Errorf("%w in %q", err, name)
				}
				for i := range numbers {
					numbers[i] = plain + numbers[i]
				}
				choices = numbers
			}
		}
		if len(names[0])+len(plain) > maxName {
			return nil, badSet("a name of more than %d bytes", maxName)
		}
		if len(names)*len(choices) > MaxHosts {
			return nil, badSet("%q is more than %d hosts", name, MaxHosts)
		}
		product := make([]string, 0, len(names)*len(choices))
		for _, n := range names {
			for _, c := range choices {
				product = append(product, n+c)
			}
		}
		names = product
	}
	return names, nil
}

// expandNumbers writes out 1-3,7 and 0-8/2. A first number with zeros in front gives the width of its run.
func expandNumbers(list string) ([]string, error) {
	var out []string
	for run := range strings.SplitSeq(list, ",") {
		span, by, stepped := strings.Cut(run, "/")
		from, to, isRange := strings.Cut(span, "-")
		if !isRange {
			to = from
		}
		step := uint64(1)
		first, err := number(from)
		last, err2 := number(to)
		if err = errors.Join(err, err2); err == nil && stepped {
			step, err = number(by)
		}
		switch {
		case err != nil:
			return nil, badSet("%q is no number and no range such as 1-9", run)
		case last < first || step == 0:
			return nil, badSet("%q is empty", run)
		case (last-first)/step >= MaxHosts || uint64(len(out))+(last-first)/step >= MaxHosts:
			return nil, badSet("more than %d hosts", MaxHosts)
		}
		width := 0
		if from[0] == '0' {
			width = len(from)
		}
		for n := first; n <= last; n += step {
			out = append(out, fmt.Sprintf("%0*d", width, n))
		}
	}
	return out, nil
}

// number reads digits, nothing else.
func number(s string) (uint64, error) {
	if s == "" || len(s) > maxWidth || strings.Trim(s, "0123456789") != "" {
		return 0, ErrNodeset
	}
	return strconv.ParseUint(s, 10, 64)
}
