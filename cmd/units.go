package cmd

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/time/rate"

	"p2pcp/swarm/wire"
)

// maxAmount bounds every size and rate that is parsed, in bytes: sums of a few stay far from an overflow.
const maxAmount = 1 << 60

// units are what may follow a number, in lower case. A letter alone is a power of 1024, as in aria2 and rclone.
var units = map[string]float64{
	"": 1, "b": 1,
	"k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "kbit": 1e3 / 8.0,
	"m": 1 << 20, "mib": 1 << 20, "mb": 1e6, "mbit": 1e6 / 8.0,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9, "gbit": 1e9 / 8.0,
	"t": 1 << 40, "tib": 1 << 40, "tb": 1e12, "tbit": 1e12 / 8.0,
}

// parseSize reads a number of bytes: 100M, 1.5GiB, 800Mbit.
func parseSize(s string) (uint64, error) {
	digits := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	number, unit := s, ""
	if digits >= 0 {
		number, unit = s[:digits], strings.TrimPrefix(s[digits:], " ")
	}
	if len(unit) == 2 && unit[1] == 'b' && strings.ContainsRune("KMGT", rune(unit[0])) {
		return 0, fmt.Errorf("%s is unclear: write %cB for bytes or %cbit for bits", unit, unit[0], unit[0])
	}
	factor, ok := units[strings.ToLower(unit)]
	if !ok {
		return 0, fmt.Errorf("unit %q is none of K M G T, KiB, KB, Kbit and so on", unit)
	}
	whole, err := strconv.ParseUint(number, 10, 64)
	if err == nil && factor == math.Trunc(factor) {
		// Exact where a float would round.
		if whole > maxAmount/uint64(factor) {
			return 0, errors.New("too large")
		}
		return whole * uint64(factor), nil
	}
	value, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil:
		return 0, errors.New("not a number with a unit, such as 100M")
	case value*factor > maxAmount:
		return 0, errors.New("too large")
	}
	return uint64(math.Round(value * factor)), nil
}

// parseRate reads bytes per second: a size, with or without "/s"; "off" and 0 are no limit, which is 0.
func parseRate(s string) (uint64, error) {
	s = strings.TrimSpace(s)
	if strings.EqualFold(s, "off") {
		return 0, nil
	}
	rate, err := parseSize(strings.TrimSuffix(s, "/s"))
	if err != nil {
		return 0, err
	}
	if rate > 0 && rate < 1024 {
		// A block takes minutes then, and every deadline fails.
		return 0, errors.New("less than 1K a second")
	}
	return rate, nil
}

// exactSize prints n so that parseSize gives n again.
func exactSize(n uint64) string {
	for i, letter := range "TGMK" {
		if unit := uint64(1) << (40 - 10*i); n >= unit && n%unit == 0 {
			return strconv.FormatUint(n/unit, 10) + string(letter)
		}
	}
	return strconv.FormatUint(n, 10)
}

// rates are limits in bytes per second; 0 is none.
type rates struct{ Up, Down uint64 }

// String is the form that parseRates reads.
func (r rates) String() string {
	one := func(n uint64) string {
		if n == 0 {
			return "off"
		}
		return exactSize(n)
	}
	if r.Up == r.Down {
		return one(r.Up)
	}
	return one(r.Up) + ":" + one(r.Down)
}

// parseRates reads RATE, for both directions, or UP:DOWN.
func parseRates(s string) (rates, error) {
	up, down, pair := strings.Cut(s, ":")
	u, err := parseRate(up)
	if err != nil {
		return rates{}, err
	}
	if !pair {
		return rates{u, u}, nil
	}
	d, err := parseRate(down)
	return rates{u, d}, err
}

// ratesValue is a flag for parseRates; oneWay refuses pairs.
type ratesValue struct {
	p      *rates
	oneWay bool
}

func (v ratesValue) String() string {
	if v.p == nil || *v.p == (rates{}) {
		return ""
	}
	return v.p.String()
}

func (v ratesValue) Set(s string) error {
	if v.oneWay && strings.Contains(s, ":") {
		return errors.New("one rate, not UP:DOWN")
	}
	r, err := parseRates(s)
	if err == nil {
		*v.p = r
	}
	return err
}

func (v ratesValue) Type() string {
	if v.oneWay {
		return "RATE"
	}
	return "RATE|UP:DOWN"
}

// formatSize prints bytes for people: three digits and an IEC unit.
func formatSize(n uint64) string {
	number, unit := scaled(float64(n))
	return number + " " + unit
}

// formatRate prints bytes per second for people.
func formatRate(bytesPerSecond float64) string {
	number, unit := scaled(bytesPerSecond)
	return number + " " + unit + "/s"
}

// formatOf prints "4.2/10.0 GiB", in the unit of the total.
func formatOf(done, total uint64) string {
	number, unit := scaled(float64(total))
	div := 1.0
	for _, u := range iec {
		if u == unit {
			break
		}
		div *= 1024
	}
	return digits3(float64(done)/div, unit) + "/" + number + " " + unit
}

var iec = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

func scaled(v float64) (number, unit string) {
	i := 0
	// 1023.5 would round to 1024.
	for v >= 1023.5 && i < len(iec)-1 {
		v /= 1024
		i++
	}
	return digits3(v, iec[i]), iec[i]
}

func digits3(v float64, unit string) string {
	if unit == "B" || v >= 99.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// compact takes the space out of a formatted amount, for key=value lines.
func compact(s string) string { return strings.ReplaceAll(s, " ", "") }

// limiters are token buckets for both directions, nil where there is no limit. A burst holds a whole DATA frame, and 5 ms of
// fast links.
func (r rates) limiters() (up, down *rate.Limiter) {
	one := func(n uint64) *rate.Limiter {
		if n == 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(n), int(max(wire.MaxData, n/200)))
	}
	return one(r.Up), one(r.Down)
}
