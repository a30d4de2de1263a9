package cmd

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const day = 24 * time.Hour

// parseDuration reads Go's durations and days in front of them: 90s, 1h30m, 2d, 1.5d, 1d12h. Never negative.
func parseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		return 0, errors.New("a duration has no sign")
	}
	var days time.Duration
	if number, rest, ok := strings.Cut(s, "d"); ok {
		if strings.Trim(number, "0123456789.") != "" {
			return 0, errDuration
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, errDuration
		}
		if n*float64(day) >= math.MaxInt64/2 {
			return 0, errors.New("too long")
		}
		days = time.Duration(n * float64(day))
		if rest == "" {
			return days, nil
		}
		if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
			return 0, errDuration
		}
		s = rest
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return 0, errors.New("a unit is missing, as in 60s, 10m, 2h, 1d")
		}
		return 0, errDuration
	}
	if d > math.MaxInt64/2 {
		return 0, errors.New("too long")
	}
	return days + d, nil
}

var errDuration = errors.New("not a duration, such as 60s, 10m, 1h30m, 2d")

// durationValue is a flag for parseDuration.
type durationValue struct{ p *time.Duration }

func newDurationValue(p *time.Duration) pflag.Value { return durationValue{p} }

func (v durationValue) String() string {
	if v.p == nil || *v.p == 0 {
		return ""
	}
	return shortDuration(*v.p)
}

func (v durationValue) Set(s string) error {
	d, err := parseDuration(s)
	if err == nil {
		*v.p = d
	}
	return err
}

func (v durationValue) Type() string { return "DUR" }

// shortDuration is d as Go prints it, without the zero minutes and seconds at its end; parseDuration gives d again.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// formatLeft prints a remaining or elapsed time for people, in at most two units.
func formatLeft(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m" + strconv.Itoa(int(d%time.Minute/time.Second)) + "s"
	case d < day:
		return strconv.Itoa(int(d/time.Hour)) + "h" + strconv.Itoa(int(d%time.Hour/time.Minute)) + "m"
	case d < 365*day:
		return strconv.Itoa(int(d/day)) + "d" + strconv.Itoa(int(d%day/time.Hour)) + "h"
	}
	return ">1yr"
}

// formatSeconds prints a duration with tenths, for results.
func formatSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
}
