package fleet

import "time"

// State is how a host stands. Each is the next of the one before, or a verdict; an attempt that fails begins anew at Login.
type State uint8

// States of a host; from Changed on they are verdicts, which stay.
const (
	Waiting     State = iota // for its turn to log in
	Login                    // ssh is on its way
	Sending                  // the program goes there
	Ready                    // the program runs there and has no orders yet
	Getting                  // its get has its orders
	Running                  // the copy is in place, the command runs
	Changed                  // it has the content, and had it not before
	Unchanged                // it had it already
	Failed                   // Code and Message say why
	Unreachable              // no shell answered
	Lost                     // a shell answered, and then ssh ended, again and again
	Stopped                  // we were told to end
)

var stateNames = [...]string{
	"waiting", "login", "sending", "ready", "getting", "running", "changed", "unchanged", "failed", "unreachable", "lost", "stopped",
}

// String is the state's name as displays and JSON show it.
func (s State) String() string { return stateNames[s] }

// Over tells whether it is a verdict.
func (s State) Over() bool { return s >= Changed }

// Complete tells whether the host has the content and its command, if there is one, was good.
func (s State) Complete() bool { return s == Changed || s == Unchanged }

// The exit codes of p2pcp's table that we give by ourselves; the others are those that get told.
const (
	codeFailure = 1
	codeGoal    = 3   // the copy is good, the command failed
	codeNobody  = 6   // unreachable or lost
	codeLocal   = 7   // no place for the program
	codeSilent  = 8   // a get found nobody who answered: as with a wrong ticket
	codeWorst   = 9   // of those that say what is wrong with a host
	codeStopped = 130 // interrupted
)

// Status is what is known of one host.
type Status struct {
	Host    Host
	State   State
	Stage   string        // get's, while Getting
	Done    uint64        // bytes of Total
	Total   uint64        // 0: not known
	Rate    uint64        // bytes per second, now
	Left    time.Duration // get's estimate; below 0: none
	Fetched uint64        // bytes, of a result
	Code    int           // exit code of a verdict
	Message string        // why it failed; what kept an earlier attempt from its end
	Path    string        // where the content lies; empty: not known
	Root    string        // what it is, hex
	Tries   int           // attempts begun
	Sent    bool          // the program had to be sent
	Output  string        // the end of what the command said
	Began   time.Time     // of the first attempt; zero: none yet
	Ended   time.Time     // of the verdict; zero: none yet
}

// Took is the time from the first attempt to the verdict, or to now.
func (s *Status) Took(now time.Time) time.Duration {
	switch {
	case s.Began.IsZero():
		return 0
	case !s.Ended.IsZero():
		now = s.Ended
	}
	return now.Sub(s.Began)
}
