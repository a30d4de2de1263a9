package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestResultMendsTexts(t *testing.T) {
	m := Result{
		State: Failed, Code: 7, Member: "m-00000000", Host: strings.Repeat("h", 300), Target: "a\xffb",
		Reason: strings.Repeat("é", 600),
	}
	got, err := ParseResult(m.Append(nil)[HeadSize:])
	if err != nil {
		t.Fatal(err)
	}
	want := m
	want.Host, want.Target, want.Reason = m.Host[:255], "a\uFFFDb", strings.Repeat("é", 512)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	odd := m
	odd.Reason = "x" + m.Reason // the limit falls inside a character
	if got, err = ParseResult(odd.Append(nil)[HeadSize:]); err != nil || len(got.Reason) != 1023 {
		t.Errorf("%d bytes of reason, %v", len(got.Reason), err)
	}
}

func TestResultRefuses(t *testing.T) {
	good := Result{State: Begun, Member: "m", Host: "h", Target: "t", Reason: "r"}.Append(nil)[HeadSize:]
	for name, p := range map[string][]byte{
		"state 0":         append([]byte{0}, good[1:]...),
		"state 5":         append([]byte{5}, good[1:]...),
		"member empty":    append(append(bytes.Clone(good[:18]), 0, 0), good[21:]...),
		"member a space":  bytes.Replace(good, []byte{0, 1, 'm'}, []byte{0, 1, ' '}, 1),
		"falling steps":   append(append(bytes.Clone(good[:len(good)-65]), 0, 0, 0, 2, 0, 0, 0, 1), good[len(good)-57:]...),
		"33 sources":      append(bytes.Clone(good[:len(good)-1]), append([]byte{33}, bytes.Repeat([]byte{0, 1, 'm', 0, 0, 0, 0, 0, 0, 0, 1}, 33)...)...),
		"a nameless one":  append(bytes.Clone(good[:len(good)-1]), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
		"target no UTF-8": bytes.Replace(good, []byte{0, 1, 't'}, []byte{0, 1, 0xff}, 1),
		"host too long":   bytes.Replace(good, []byte{0, 1, 'h'}, append([]byte{1, 0}, strings.Repeat("h", 256)...), 1),
	} {
		if m, err := ParseResult(p); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestReportIsCutToItsFrame(t *testing.T) {
	row := LedgerRow{Host: "h", Target: strings.Repeat("\x01", 4096), State: "changed", Reason: strings.Repeat("<", 2000)}
	m := Report{Member: "seed-00000000", Role: "seed", Members: make([]ReportMember, 100)}
	for k := range 400 {
		row.Bytes = uint64(k)
		m.Ledger = append(m.Ledger, row)
	}
	frame := m.Append(nil)
	if n := len(frame) - HeadSize; n > 4<<20 || n < 4<<20-64<<10 {
		t.Errorf("%d bytes", n)
	}
	got, err := ParseReport(frame[HeadSize:])
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Ledger); n < 100 || n >= 400 || got.Ledger[n-1].Bytes != uint64(n-1) || len(got.Ledger[0].Reason) != 1024 {
		t.Errorf("%d rows are left, or not the first ones", n)
	}
	if len(m.Ledger) != 400 || len(m.Ledger[0].Reason) != 2000 {
		t.Error("the caller's Report was changed")
	}
	m.Account = Account{Traces: make([]Trace, MaxTraces+1), History: make([]Sample, MaxHistory+1), From: make([]Source, MaxSources+1)}
	for k := range m.Traces {
		m.Traces[k] = Trace{Member: "m", Start: uint64(k), From: []Source{{Member: strings.Repeat("m", 80), Bytes: 1 << 60}, {Member: "n"}}}
	}
	for _, r := range []Report{m, {Account: m.Account}} {
		frame = r.Append(nil)
		got, err = ParseReport(frame[HeadSize:])
		full := len(r.Ledger) == 0
		if err != nil || len(got.History) != MaxHistory || len(got.From) != MaxSources || (len(got.Traces) == MaxTraces) != full {
			t.Errorf("%v, %d traces", err, len(got.Traces))
		}
	}
	many := Report{Members: make([]ReportMember, MaxRows+1)}
	if got, err = ParseReport(many.Append(nil)[HeadSize:]); err != nil || len(got.Members) != MaxRows {
		t.Errorf("%d members, %v", len(got.Members), err)
	}
}

func TestReportRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"no JSON":           `{`,
		"more than one":     `{}{}`,
		"no object":         `[]`,
		"no UTF-8":          "{\"host\":\"\xff\"}",
		"long member":       `{"member":"` + strings.Repeat("m", 81) + `"}`,
		"long host":         `{"ledger":[{"host":"` + strings.Repeat("h", 256) + `"}]}`,
		"long address":      `{"members":[{"addr":"` + strings.Repeat("1", 65) + `"}]}`,
		"negative sessions": `{"sessions":-1}`,
		"negative blocks":   `{"blocks":-1}`,
		"code 256":          `{"ledger":[{"code":256}]}`,
		"rows are no list":  `{"members":{"a":1}}`,
		"falling steps":     `{"steps":[2,1]}`,
		"a step after none": `{"traces":[{"steps":[1,0,2]}]}`,
		"many steps":        `{"steps":[1` + strings.Repeat(",1", Steps) + `]}`,
		"many sources":      `{"traces":[{"from":[{}` + strings.Repeat(",{}", MaxSources) + `]}]}`,
		"long source":       `{"from":[{"member":"` + strings.Repeat("m", 81) + `"}]}`,
		"many traces":       `{"traces":[{}` + strings.Repeat(",{}", MaxTraces) + `]}`,
		"many samples":      `{"history":[{}` + strings.Repeat(",{}", MaxHistory) + `]}`,
		"negative sample":   `{"history":[{"done":-1}]}`,
		"too many rows":     `{"members":[{}` + strings.Repeat(",{}", MaxRows) + `]}`,
		"deep":              strings.Repeat(`{"x":`, 20000) + `1` + strings.Repeat(`}`, 20000),
	} {
		if _, err := ParseReport([]byte(s)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m, err := ParseReport([]byte(`{"unknown":[1,{}],"sessions":3,"ledger":null}`)); err != nil || m.Sessions != 3 {
		t.Errorf("unknown members are not ignored: %+v, %v", m, err)
	}
}
