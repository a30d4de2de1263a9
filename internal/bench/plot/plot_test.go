package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestTicksAreRound(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   []float64
	}{
		{0, 1.4, []float64{0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4}},
		{0, 100, []float64{0, 20, 40, 60, 80, 100}},
		{1, 1.15, []float64{1, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12, 1.14}},
		{0.95, 3, []float64{1, 1.5, 2, 2.5, 3}},
	} {
		if got := ticks(c.lo, c.hi); !slices.Equal(got, c.want) {
			t.Errorf("%v to %v: %v", c.lo, c.hi, got)
		}
	}
}

func TestScale(t *testing.T) {
	linear := span{Axis{Min: 1, Max: 3}, 400, 100}
	log := span{Axis{Min: 4, Max: 64, Log: true}, 0, 400}
	for _, c := range []struct{ got, want float64 }{
		{linear.at(1), 400}, {linear.at(2), 250}, {linear.at(3), 100}, {log.at(4), 0}, {log.at(16), 200}, {log.at(64), 400},
	} {
		if c.got != c.want {
			t.Errorf("%v instead of %v", c.got, c.want)
		}
	}
}

func TestLabelsDontOverlap(t *testing.T) {
	all := []label{{y: 100}, {y: 100}, {y: 101}, {y: 300}, {y: 349}, {y: 350}}
	spread(all, 60, 350)
	for k := range all {
		if k > 0 && all[k].y-all[k-1].y < lineHeight {
			t.Errorf("label %d at %v, after %v", k, all[k].y, all[k-1].y)
		}
		if all[k].y < 60 || all[k].y > 350 {
			t.Errorf("label %d at %v", k, all[k].y)
		}
	}
}

// wellFormed fails unless svg is XML, and returns its texts.
func wellFormed(t *testing.T, svg string) (texts []string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if text, ok := token.(xml.CharData); ok {
			texts = append(texts, string(text))
		}
	}
}

func TestChartShowsWhatItHas(t *testing.T) {
	svg := Chart{
		Title: "a < b & c", X: Axis{Max: 2},
		Lines: []Line{
			{Name: "up", Points: []Point{{0, 0}, {1, 1}, {2, 4}, {3, 9}}},
			{Name: "steps", Color: 1, Points: []Point{{0.5, 1}, {5, 2}}, Steps: true},
			{Name: "never", Points: []Point{{3, 1}}},
		},
	}.SVG()
	texts := wellFormed(t, svg)
	for _, want := range []string{"a < b & c", "up", "steps"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q", want)
		}
	}
	if slices.Contains(texts, "never") {
		t.Error("a line outside of the axes has a name")
	}
	for _, want := range []string{`d="M58.0 350.0L325.0 318.0L592.0 222.0"`, `d="M191.5 318.0H592.0"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

func TestBars(t *testing.T) {
	svg := Bars{
		Names: []string{"one", "two", "three"}, Strong: 0,
		Panels: []Panel{{Name: "s", Values: []float64{1, 2, -1}, Format: "%.1f"}},
	}.SVG()
	texts := wellFormed(t, svg)
	for _, want := range []string{"one", "two", "three", "1.0", "2.0", "-"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Count(svg, "<rect") != 2 {
		t.Error("what isn't known has a bar")
	}
}
