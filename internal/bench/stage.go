package main

import (
	"context"
	"fmt"
	"math/bits"
	"path/filepath"
	"strings"

	"p2pcp/internal/lab"
)

const mib = 1 << 20

// stage is a lab with a file on its seed and the yardstick measured.
type stage struct {
	*bench
	course
	lab       *lab.Lab
	path, sum string
	u         float64 // what one plain TCP copy brings, bytes a second
}

func (b *bench) stage(ctx context.Context, c course) (*stage, error) {
	size := uint64(c.mib) * mib
	l, err := lab.New(lab.Config{
		Hosts: c.receivers + 1, Rate: lab.Rate(c.mbit) * lab.Mbit, Far: c.zones.far(c.receivers), Scratch: 2*size + 64*mib,
	})
	if err != nil {
		return nil, err
	}
	s := &stage{bench: b, course: c, lab: l, path: filepath.Join(lab.Scratch, "model.bin")}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("%w (%v)", err, l.Close())
	}
	return s, nil
}

func (s *stage) size() float64 { return float64(s.mib) * mib }

// host is host i; 0 is the seed's.
func (s *stage) host(i int) *lab.Host { return s.lab.Host(i + 1) }

func (s *stage) prepare(ctx context.Context) (err error) {
	script := fmt.Sprintf("head -c %d /dev/zero | openssl enc -aes-128-ctr -pass pass:p2pcp -nosalt -pbkdf2 2>/dev/null >%s", s.mib*mib, s.path)
	if _, err = s.host(0).Run(ctx, "sh", "-c", script); err != nil || s.hashing {
		return err
	}
	if s.sum, err = s.hash(ctx, 0); err != nil {
		return err
	}
	probe := 4 * s.mbit / 8
	if s.mbit == 0 {
		probe = s.mib
	}
	if s.u, err = s.goodput(ctx, min(s.mib, probe)*mib); err != nil {
		return err
	}
	if s.seedMbit > 0 {
		err = s.host(0).SetRate(lab.Rate(s.seedMbit) * lab.Mbit)
	}
	if s.slowMbit > 0 && err == nil {
		err = s.host(s.receivers).SetRate(lab.Rate(s.slowMbit) * lab.Mbit)
	}
	return err
}

// hash is a host's copy's, by another program than ours.
func (s *stage) hash(ctx context.Context, host int) (string, error) {
	out, err := s.host(host).Run(ctx, "sha256sum", s.path)
	return strings.Fields(out + " -")[0], err
}

// limit is the least time in which anybody can bring the file to n receivers over links of u bytes a second, in blocks of 1 MiB
// (Mundinger, Weber, Weiss: (F/u)(1 + floor(log2 N)/B)), seconds.
func (s *stage) limit() float64 {
	if s.seedMbit > 0 {
		return s.size() / (s.u * float64(s.seedMbit) / float64(s.mbit))
	}
	return s.size() / s.u * (1 + float64(bits.Len(uint(s.receivers))-1)/float64(s.mib))
}

// clean makes the receivers as they were at first, just before a run. Where nothing bounds the rate, the memory for the
// copies is touched before, for machines without enough to keep warm.
func (s *stage) clean(ctx context.Context) error {
	script := "rm -rf " + lab.Scratch + "/* " + lab.Scratch + "/.[!.]*"
	if s.mbit == 0 {
		script += fmt.Sprintf("; head -c %d /dev/zero >%s/warm; rm %s/warm", s.mib*mib, lab.Scratch, lab.Scratch)
	}
	for k := range s.receivers {
		if _, err := s.host(k+1).Run(ctx, "sh", "-c", script); err != nil {
			return err
		}
	}
	return nil
}

// check compares each copy with the original.
func (s *stage) check(ctx context.Context, gets []*lab.Proc) error {
	for k, p := range gets {
		if p == nil {
			continue
		}
		if sum, err := s.hash(ctx, k+1); err != nil || sum != s.sum {
			return fmt.Errorf("host %d's copy differs: %v", k+1, err)
		}
	}
	return nil
}
