package cmd

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2d": 2 * day, "1.5d": 36 * time.Hour,
		"1d12h": 36 * time.Hour, " 5m ": 5 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("parseDuration(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "60", "-5s", "+5s", "d", "1d-5h", "1d5", "1e3d", "999999999d", "2562047h47m16s", "soon", "1w", "infd", "1.d2.d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %s, want an error", text, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"0", "90s", "1.5d", "1d12h", "-1s", "1h0m", "10m", "999999999d", "1d1d", "µs"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("parseDuration(%q) = %s: negative", text, d)
		}
		if back, err := parseDuration(shortDuration(d)); err != nil || back != d {
			t.Fatalf("parseDuration(%q) = %s, which prints as %q, which is %s, %v", text, d, shortDuration(d), back, err)
		}
	})
}

func TestFormatLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59400 * time.Millisecond: "59s", 59600 * time.Millisecond: "1m0s", 3599 * time.Second: "59m59s",
		time.Hour: "1h0m", 25 * time.Hour: "1d1h", 400 * day: ">1yr",
	} {
		if got := formatLeft(d); got != want {
			t.Errorf("formatLeft(%s) = %q, want %q", d, got, want)
		}
	}
}
