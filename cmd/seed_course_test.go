package cmd

import (
	"fmt"
	"testing"
	"time"

	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// TestCourseStaysSmall: hours of samples and any number of members are bounded, and the first and last moments are there.
func TestCourseStaysSmall(t *testing.T) {
	begun := time.Unix(1000, 0)
	c := newCourse(begun)
	at := begun
	c.look(at, swarm.Snapshot{}, seed.Counts{}, false) // nobody yet
	for range 4000 {
		at = at.Add(lookPeriod)
		c.look(at, swarm.Snapshot{Sent: uint64(at.Unix())}, seed.Counts{Known: 2, Changed: 1, Failed: 1}, false)
	}
	c.look(at.Add(time.Millisecond), swarm.Snapshot{Sent: 7}, seed.Counts{Known: 2, Changed: 1, Unchanged: 1}, true)
	_, samples := c.account()
	if n := len(samples); n > wire.MaxHistory || n < wire.MaxHistory/2-1 {
		t.Errorf("%d samples", n)
	}
	if samples[0].Millis != uint64(lookPeriod.Milliseconds()) || samples[0].Done != 1 || samples[0].Ended != 1 {
		t.Errorf("the first is %+v", samples[0])
	}
	if last := samples[len(samples)-1]; last.Sent != 7 || last.Done != 2 {
		t.Errorf("the last is %+v", last)
	}
	for i := 2; i < len(samples)-1; i++ {
		if samples[i].Millis-samples[i-1].Millis != samples[2].Millis-samples[1].Millis {
			t.Fatalf("uneven at %d: %+v", i, samples[i-1:i+1])
		}
	}
	for i := range wire.MaxTraces + 5 {
		r := wire.Result{State: wire.Changed, Member: fmt.Sprintf("m-%08x", i), Millis: 2000, Steps: [wire.Steps]uint32{5, 9}}
		c.told(begun.Add(5*time.Second), r)
		r.Millis = 1 << 63 // a lie
		c.told(begun.Add(5*time.Second), r)
	}
	traces, _ := c.account()
	if len(traces) != wire.MaxTraces || len(traces[0].Steps) != 2 || traces[0].Start != 0 {
		t.Errorf("%d traces, %+v", len(traces), traces[0])
	}
	c.told(begun.Add(5*time.Second), wire.Result{Member: "m-00000000", Millis: 2000})
	if traces, _ = c.account(); traces[0].Start != 3000 || len(traces[0].Steps) > 0 {
		t.Errorf("%+v", traces[0])
	}
}
