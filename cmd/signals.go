package cmd

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// errInterrupted is why a signal ended a run.
var errInterrupted = errors.New("interrupted")

// signalWatch turns signals into the end of the app's context. The first SIGINT or SIGTERM prints one line and cancels, the
// second leaves at once; SIGUSR1 prints a status line, SIGQUIT and SIGABRT a stack trace. SIGHUP is left alone: under nohup it must stay ignored. A signal that
// was ignored when we started (a shell's background job) stays ignored too.
type signalWatch struct {
	app   *app
	quit  chan struct{}
	ended chan struct{}
	ch    chan os.Signal

	mu       sync.Mutex
	stopping string          // what the first signal prints
	status   func() string   // the line for SIGUSR1; nil: nothing to tell
	forward  func(os.Signal) // takes every SIGINT and SIGTERM instead of us, while set
}

func watchSignals(a *app) *signalWatch {
	w := &signalWatch{
		app:      a,
		quit:     make(chan struct{}),
		ended:    make(chan struct{}),
		ch:       make(chan os.Signal, 4),
		stopping: "stopping",
	}
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGQUIT, syscall.SIGABRT} {
		if !signal.Ignored(s) {
			signal.Notify(w.ch, s)
		}
	}
	go w.run()
	return w
}

// run ends after stop.
func (w *signalWatch) run() {
	defer close(w.ended)
	caught := false
	for {
		select {
		case <-w.quit:
			return
		case s := <-w.ch:
			switch s {
			case syscall.SIGUSR1:
				w.tell()
				continue
			case syscall.SIGQUIT, syscall.SIGABRT:
				abort(s)
			}
			w.mu.Lock()
			forward, text := w.forward, w.stopping
			w.mu.Unlock()
			if forward != nil {
				forward(s)
				continue
			}
			code := exitInterrupt
			if s == syscall.SIGTERM {
				code = exitTerminated
			}
			if caught {
				// Asked twice: whatever is under way may be stuck, and so may the screen.
				os.Exit(code)
			}
			caught = true
			w.app.cancel(exitSilently(code, errInterrupted))
			w.app.note("%s", text)
		}
	}
}

// tell answers SIGUSR1, with --quiet too: somebody asked. The lock is held, so that nothing is asked of a display that ended.
func (w *signalWatch) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status != nil {
		w.app.screen.message(w.status())
	}
}

// onStop sets the line that the first signal prints.
func (w *signalWatch) onStop(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = text
}

// onStatus sets what SIGUSR1 prints; nil for nothing. f is called on the signal goroutine.
func (w *signalWatch) onStatus(f func() string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = f
}

// passTo hands SIGINT and SIGTERM to f, or takes them back with nil.
func (w *signalWatch) passTo(f func(os.Signal)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forward = f
}

// stop returns the signals to what they did before.
func (w *signalWatch) stop() {
	signal.Stop(w.ch)
	close(w.quit)
	<-w.ended
}
