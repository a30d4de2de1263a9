package cmd

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// foldHosts writes host names the way clush and pdsh read them: node[001-003,007],seed1. Names that differ in their last run
// of digits before the first dot are folded together; zeros in front are kept as they are. The result is sorted, a name counts
// once.
func foldHosts(hosts []string) string {
	groups := map[affix][]string{} // to the digits
	var plain []string
	for _, h := range hosts {
		if key, digits, ok := splitHost(h); ok {
			groups[key] = append(groups[key], digits)
		} else {
			plain = append(plain, quoteName(h))
		}
	}
	slices.Sort(plain)
	parts := slices.Compact(plain)
	for key, digits := range groups {
		parts = append(parts, foldGroup(key, digits))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// affix is what the names of one group share.
type affix struct{ before, after string }

// splitHost cuts a name at its number. Names with characters that the notation uses itself, or that must be quoted, and numbers
// too long for arithmetic aren't folded.
func splitHost(h string) (affix, string, bool) {
	if strings.ContainsAny(h, "[],\"") || quoteName(h) != h {
		return affix{}, "", false
	}
	label, _, _ := strings.Cut(h, ".")
	end := strings.LastIndexAny(label, "0123456789") + 1
	start := end
	for start > 0 && label[start-1] >= '0' && label[start-1] <= '9' {
		start--
	}
	if start == end || end-start > 18 {
		return affix{}, "", false
	}
	return affix{h[:start], h[end:]}, h[start:end], true
}

// hostNumber is one name's digits, their value, and the width they are padded to: 0 for none.
type hostNumber struct {
	text  string
	value uint64
	width int
}

// foldGroup writes the names of one group: runs of consecutive numbers as from-to.
func foldGroup(key affix, digits []string) string {
	numbers := hostNumbers(digits)
	if len(numbers) == 1 {
		return key.before + numbers[0].text + key.after
	}
	var runs []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1].width == numbers[i].width && numbers[j+1].value == numbers[j].value+1 {
			j++
		}
		run := numbers[i].text
		if j > i {
			run += "-" + numbers[j].text
		}
		runs = append(runs, run)
		i = j + 1
	}
	return key.before + "[" + strings.Join(runs, ",") + "]" + key.after
}

// hostNumbers sorts digits, each once. A width is padded if one number of that length begins with 0: then 10 belongs to 08 and
// 09, and otherwise to 8 and 9.
func hostNumbers(digits []string) []hostNumber {
	padded := map[int]bool{}
	for _, d := range digits {
		if len(d) > 1 && d[0] == '0' {
			padded[len(d)] = true
		}
	}
	numbers := make([]hostNumber, 0, len(digits))
	for _, d := range digits {
		// At most 18 digits, see splitHost.
		v, _ := strconv.ParseUint(d, 10, 64)
		n := hostNumber{text: d, value: v}
		if padded[len(d)] {
			n.width = len(d)
		}
		numbers = append(numbers, n)
	}
	slices.SortFunc(numbers, func(a, b hostNumber) int {
		return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.value, b.value))
	})
	return slices.Compact(numbers)
}
