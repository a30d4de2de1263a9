package cmd

import (
	"slices"
	"testing"
	"time"
)

func TestAbsences(t *testing.T) {
	a, at := absences{}, time.Unix(1000, 0)
	look := func(after time.Duration, present ...string) []string {
		seen := map[string]bool{}
		for _, m := range present {
			seen[m] = true
		}
		return a.look(at.Add(after), []string{"x", "y"}, seen)
	}
	for _, c := range []struct {
		after   time.Duration
		present []string
		want    []string
	}{
		{0, []string{"x", "y"}, nil},
		{time.Second, []string{"y"}, nil},
		{lostAfter, []string{"y"}, nil},
		{lostAfter + time.Second, []string{"y"}, []string{"x"}},
		{lostAfter + 2*time.Second, []string{"x"}, nil}, // it was only away
		{lostAfter + 3*time.Second, []string{"x"}, nil},
		{2*lostAfter + 2*time.Second, nil, []string{"y"}}, // and x begins anew
	} {
		if got := look(c.after, c.present...); !slices.Equal(got, c.want) {
			t.Errorf("after %s with %v: lost %v, want %v", c.after, c.present, got, c.want)
		}
	}
}
