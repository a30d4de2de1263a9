package cmd

import (
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]uint64{
		"off": 0, "OFF": 0, "0": 0, "1024": 1024, "100M": 100 << 20, "100m": 100 << 20, "1.5G": 3 << 29,
		"100MiB": 100 << 20, "100MiB/s": 100 << 20, "100MB": 100e6, "100 MB": 100e6, "800Mbit": 100e6, "1Gbit/s": 125e6,
	} {
		got, err := parseRate(text)
		if err != nil || got != want {
			t.Errorf("parseRate(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "M", "-1M", "+1M", "1e9", "0x10M", "inf", "NaN", "1.2.3M", "10Mb", "10Kb", "10X", "1M2", "9999999T", "1_000K", "5",
		"8Kbit", ".", "1  M",
	} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("parseRate(%q) = %d, want an error", text, got)
		}
	}
}

func TestParseRates(t *testing.T) {
	for text, want := range map[string]rates{
		"10M": {10 << 20, 10 << 20}, "10M:1G": {10 << 20, 1 << 30}, "off:1G": {0, 1 << 30}, "1G:off": {1 << 30, 0}, "off": {},
	} {
		got, err := parseRates(text)
		if err != nil || got != want {
			t.Errorf("parseRates(%q) = %v, %v; want %v", text, got, err, want)
		}
		if back, err := parseRates(got.String()); err != nil || back != got {
			t.Errorf("parseRates(%q) = %v, %v; want %v", got.String(), back, err, got)
		}
	}
	for _, text := range []string{":", "1M:", ":1M", "1M:2M:3M"} {
		if got, err := parseRates(text); err == nil {
			t.Errorf("parseRates(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"off", "100M", "1.5GiB/s", "800Mbit", "10M:1G", "10Mb", "1e9", "9999999999999T", ".", "é"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRates(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") && !strings.Contains(text, "\n") {
				t.Fatalf("the error of %q is no line: %v", text, err)
			}
			return
		}
		if r.Up > maxAmount || r.Down > maxAmount {
			t.Fatalf("parseRates(%q) = %v: too large", text, r)
		}
		if back, err := parseRates(r.String()); err != nil || back != r {
			t.Fatalf("parseRates(%q) = %v, which prints as %q, which is %v, %v", text, r, r, back, err)
		}
	})
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 10 << 30: "10.0 GiB", 182 << 30: "182 GiB",
		1<<20 - 1: "1.0 MiB", 1023 << 10: "1023 KiB", 1 << 63: "8.0 EiB", 102300: "99.9 KiB", 102400: "100 KiB",
	} {
		if got := formatSize(n); got != want {
			t.Errorf("formatSize(%d) = %q, want %q", n, got, want)
		}
	}
	if got := formatOf(4509715660, 10<<30); got != "4.2/10.0 GiB" {
		t.Errorf("formatOf = %q", got)
	}
	if got := formatOf(0, 0); got != "0/0 B" {
		t.Errorf("formatOf(0, 0) = %q", got)
	}
	if got := formatRate(1.1 * (1 << 30)); got != "1.1 GiB/s" {
		t.Errorf("formatRate = %q", got)
	}
}
