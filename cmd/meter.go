package cmd

import (
	"math"
	"time"
)

// meterWindow is the time constant of the smoothing: what happened this long ago weighs 1/e of what happens now. Blocks come in
// bursts of tens of milliseconds, a person reads the number once a second.
const meterWindow = 3 * time.Second

// meter turns a growing counter into a smoothed rate. The first value is the origin and counts for nothing, so that what a
// resumed transfer starts with isn't speed. Not safe for concurrent use.
type meter struct {
	started bool
	at      time.Time
	last    uint64
	amount  float64 // decayed sum of what was added
	seconds float64 // decayed sum of the time it took
}

// update takes the counter's value at a time. A counter that went back starts again from there.
func (m *meter) update(at time.Time, value uint64) {
	if !m.started {
		m.started, m.at, m.last = true, at, value
		return
	}
	dt := at.Sub(m.at).Seconds()
	if dt <= 0 {
		return
	}
	var added float64
	if value > m.last {
		added = float64(value - m.last)
	}
	keep := math.Exp(-dt / meterWindow.Seconds())
	m.amount = m.amount*keep + added
	m.seconds = m.seconds*keep + dt
	m.at, m.last = at, value
}

// known tells whether there was a second value: before it there is no rate.
func (m *meter) known() bool { return m.seconds > 0 }

// rate is per second; 0 where it isn't known.
func (m *meter) rate() float64 {
	if !m.known() {
		return 0
	}
	return m.amount / m.seconds
}

// ticks calls tick at each period, from one goroutine, until the returned stop is called; stop waits for a tick under way.
func ticks(period time.Duration, tick func()) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				tick()
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}
