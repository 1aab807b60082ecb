package rotation

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
	_ "time/tzdata" // the image has no files but the programs

	"github.com/robfig/cron/v3"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// Policy is what is wanted of an object's rotations.
type Policy struct {
	// Overlap is how long the old and the new secret both work.
	Overlap time.Duration
	// Interval is how long after the last switch a rotation starts by itself, up
	// to a tenth of it earlier; zero: only when asked for.
	Interval time.Duration
	// Window limits when such a rotation may start; nil: at any time.
	Window *Window
	// Completion says who ends the overlap.
	Completion Completion
	// Seed spreads the rotations of many objects: an object's UID.
	Seed string
}

// PolicyOf an object's spec; seed is its UID. With an error, which names the
// field, the policy is whole but for rotations that start by themselves.
func PolicyOf(r v1alpha1.Rotation, seed string) (Policy, error) {
	p := Policy{Overlap: r.OverlapOrDefault(), Interval: r.IntervalOrZero(), Completion: Automatic, Seed: seed}
	if r.Completion == v1alpha1.CompletionManual {
		p.Completion = Manual
	}
	if r.Window == nil {
		return p, nil
	}
	var err error
	if p.Window, err = ParseWindow(r.Window.Schedule, r.Window.TimeZone, r.Window.Duration.Duration); err != nil {
		p.Interval = 0
		return p, fmt.Errorf("spec.rotation.window: %w", err)
	}
	return p, nil
}

// Completion says who ends the overlap.
type Completion string

// The completions.
const (
	// Automatic ends it when Policy.Overlap has passed, or earlier when asked.
	Automatic Completion = "Automatic"
	// Manual waits until it is asked to end.
	Manual Completion = "Manual"
)

// Window is a time that comes again: it opens as the schedule says and closes
// after the duration. What falls due while it is closed waits until it opens;
// when a whole window passes without a start, it waits for the one after.
type Window struct {
	schedule cron.Schedule
	duration time.Duration
}

// fields of a schedule, as in crontab(5): no seconds and no shorthands.
const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow

// ParseWindow reads five fields of cron (minute, hour, day of the month, month,
// day of the week) in a time zone of the IANA database; none means UTC.
func ParseWindow(schedule, timeZone string, duration time.Duration) (*Window, error) {
	location, err := time.LoadLocation(timeZone)
	if err != nil || timeZone == "Local" {
		return nil, fmt.Errorf("time zone %q is not in the IANA database: write one such as Europe/Berlin, or none for UTC", timeZone)
	}
	// The parser takes a zone before the fields too, in a form that can panic.
	parsed, err := cron.NewParser(fields).Parse("TZ=UTC " + schedule)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w: write minute, hour, day of the month, month and day of the week, such as 0 3 * * 6", schedule, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("schedule %q: write minute, hour, day of the month, month and day of the week, such as 0 3 * * 6", schedule)
	}
	spec.Location = location
	if spec.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("schedule %q never comes: correct the day or the month", schedule)
	}
	return &Window{schedule: spec, duration: duration}, nil
}

// jitterShare: a scheduled rotation starts up to this share of the interval
// earlier, and this share of a window after it opened at most.
const jitterShare = 10

// scheduled is when the next rotation by itself may start; it may have passed.
// It is zero when there is none. A last switch that is not known, or that lies
// in the future, counts as long ago.
func (m machine) scheduled() time.Time {
	if m.p.Interval <= 0 || m.o.Supplied != nil || m.o.Connection == nil {
		return time.Time{}
	}
	due := time.Unix(0, 0)
	for _, at := range []time.Time{m.o.Connection.SwitchedAt, m.marks().AbortedAt} {
		next := at.Add(m.p.Interval - m.p.spread(m.p.Interval))
		if !at.IsZero() && !at.After(m.now.Add(skew)) && next.After(due) {
			due = next
		}
	}
	if m.p.Window == nil {
		return due
	}
	at := due
	if at.Before(m.now) {
		at = m.now
	}
	opening := m.p.Window.schedule.Next(at.Add(-m.p.Window.duration)) // of the window that at is in, or of the next
	if opening.IsZero() || !opening.After(due) {
		return due
	}
	return opening.Add(m.p.spread(m.p.Window.duration))
}

// spread is this object's own part of a tenth of d, in whole seconds.
func (p Policy) spread(d time.Duration) time.Duration {
	most := uint64(d / jitterShare / time.Second)
	if most == 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(p.Seed))
	return time.Duration(binary.BigEndian.Uint64(sum[:])%most) * time.Second
}
