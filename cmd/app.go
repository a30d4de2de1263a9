package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/seed"
)

// app is one run of a command line. The fields are set before the command runs and not changed while it does, but for what
// the types themselves guard.
type app struct {
	args   []string // without the program's name
	stdin  *os.File
	stdout *stream
	stderr *stream
	env    lookup
	term   terminal
	screen *screen
	log    *slog.Logger // says nothing below -v

	// ctx ends at the first signal, or when stdout or stderr is gone; its cause is an *exitError with the code.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	signals *signalWatch
	child   *detachedChild // not nil in the background process of -d
	full    chan struct{}  // to the governor; capacity 1

	// Flags of every command.
	json     bool
	quiet    bool
	verbose  int
	interval time.Duration // between two lines of progress off a terminal
}

func newApp(args []string, stdin, stdout, stderr *os.File) *app {
	ctx, cancel := context.WithCancelCause(context.Background())
	a := &app{
		args:   args,
		stdin:  stdin,
		stdout: &stream{file: stdout, lost: cancel},
		stderr: &stream{file: stderr, lost: cancel},
		env:    os.LookupEnv,
		log:    slog.New(slog.DiscardHandler),
		ctx:    ctx,
		cancel: cancel,
		full:   make(chan struct{}, 1),

		interval: time.Minute,
	}
	a.term = detectTerminal(stderr, a.env)
	a.screen = &screen{w: a.stderr, size: a.term.size}
	a.child = findParent()
	// A write to a closed pipe must be an error that ends the run in good order, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	a.signals = watchSignals(a)
	return a
}

// buildSource is seed.Build with all threads.
func (a *app) buildSource(ctx context.Context, paths []string, o seed.Options) (*seed.Source, error) {
	select {
	case a.full <- struct{}{}:
	default:
	}
	return seed.Build(ctx, paths, o)
}

// close ends what newApp started.
func (a *app) close() {
	a.cancel(nil)
	a.signals.stop()
	if a.child != nil {
		a.child.close()
	}
}

// registerGlobal adds the flags of every command.
func (a *app) registerGlobal(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.BoolVar(&a.json, "json", false, "JSON, one object a line")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "say nothing but errors")
	v := f.VarPF(levelValue{&a.verbose}, "verbose", "v", "say more on stderr; -vv still more")
	v.NoOptDefVal = "true"
	f.Var(newDurationValue(&a.interval), "progress-interval", "between two lines of progress in a log")
}

// levelValue counts how often a flag is given; a number, as from the environment, sets it.
type levelValue struct{ p *int }

func (v levelValue) String() string { return "" }
func (v levelValue) Type() string   { return "bool" }

func (v levelValue) Set(s string) error {
	if on, err := strconv.ParseBool(s); err == nil {
		if on {
			*v.p++
		}
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return errors.New("neither a number nor true or false")
	}
	*v.p = int(n)
	return nil
}

// prepare completes the flags from the environment and sets up what depends on them.
func (a *app) prepare(c *cobra.Command) error {
	if err := applyEnv(c, a.env); err != nil {
		return err
	}
	if a.interval < time.Second {
		return usagef("", "--progress-interval is at least 1s")
	}
	if a.quiet && a.verbose > 0 {
		return usagef("", "--quiet and --verbose exclude each other")
	}
	if a.verbose > 0 {
		level := slog.LevelInfo
		if a.verbose > 1 {
			level = slog.LevelDebug
		}
		if a.json {
			a.log = slog.New(slog.NewJSONHandler(screenWriter{a.screen, quoteJSON}, &slog.HandlerOptions{Level: level}))
		} else {
			a.log = slog.New(slog.NewTextHandler(screenWriter{a.screen, quoteMessage}, &slog.HandlerOptions{Level: level}))
		}
	}
	return nil
}

// wantsJSON also holds where the flags couldn't be parsed.
func (a *app) wantsJSON() bool { return a.json || slices.Contains(a.args, "--json") }

// redraws tells whether a display is redrawn in place.
func (a *app) redraws() bool { return a.term.live && !a.json && !a.quiet }

// pace is how often a display is brought up to date: redrawn in place each period, or told in a line each --progress-interval.
func (a *app) pace(period time.Duration) (live bool, each time.Duration) {
	if a.redraws() {
		return true, period
	}
	return false, a.interval
}

// detached is this process's tie to the command that started it with -d, or nil.
func (a *app) detached() *detachedChild { return a.child }

// noteMessage is the JSON form of a line on stderr.
type noteMessage struct {
	Type    string `json:"message_type"` // note or warning
	Message string `json:"message"`
}

// note tells the user something, unless --quiet.
func (a *app) note(format string, args ...any) { a.say("note", "", format, args...) }

// warn tells of something that isn't as it should be but doesn't end the run. Silenced by --quiet too.
func (a *app) warn(format string, args ...any) { a.say("warning", "warning: ", format, args...) }

func (a *app) say(kind, prefix, format string, args ...any) {
	if a.quiet {
		return
	}
	text := quoteMessage(fmt.Sprintf(format, args...))
	if a.json {
		a.screen.message(jsonLine(noteMessage{Type: kind, Message: text}))
		return
	}
	a.screen.message("p2pcp: " + prefix + text)
}

// result prints what a script reads to stdout: line, or with --json the object. line may be several lines, or empty for none.
func (a *app) result(line string, object any) error {
	if a.json {
		line = jsonLine(object)
	}
	if line == "" {
		return nil
	}
	return a.screen.aside(func() error {
		if _, err := io.WriteString(a.stdout, line+"\n"); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
		return nil
	})
}

// jsonLine is v in one line. v is one of our own types, which always encode.
func jsonLine(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("cmd: encode " + err.Error())
	}
	return quoteJSON(string(b))
}

// screenWriter puts log lines above the frame, made safe by quote.
type screenWriter struct {
	s     *screen
	quote func(string) string
}

func (w screenWriter) Write(p []byte) (int, error) {
	n := len(p)
	if n > 0 && p[n-1] == '\n' {
		p = p[:n-1]
	}
	w.s.message(w.quote(string(p)))
	return n, nil
}
