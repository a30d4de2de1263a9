//go:build !linux

package blocks

import (
	"errors"
	"os"
)

// wayTo isn't there: these systems have no way to open a symlink itself that all of them share.
func wayTo(string, bool) (*os.File, error) { return nil, errors.ErrUnsupported }
