// Package cron finds when a schedule runs next: expressions of 5 fields, of 6
// with seconds first, and the words @hourly, @daily, @weekly, @monthly and
// @yearly, in a time zone of the IANA database, which is compiled in.
//
// Where clocks change, what runs by the hour of day runs once a day: a time
// that is skipped runs at the change, one that comes twice runs the first time.
// What runs every hour goes on by elapsed time. That is what vixie-cron does.
//
// It is asked by the member that leads, and the answer is in the log: members
// may have other versions of the time zones.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the image has no zoneinfo

	"github.com/robfig/cron/v3"
)

// Schedule is a parsed expression.
type Schedule struct {
	spec   cron.Schedule
	hourly bool // goes by elapsed time
	zone   *time.Location
}

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ErrNever is returned for an expression that no date matches.
var ErrNever = errors.New("never comes")

// ErrZone is returned for a name that is no time zone's.
var ErrZone = errors.New("is unknown: use a name of the IANA database, such as Europe/Berlin")

// Parse reads an expression; zone is the name of a time zone, "" for UTC.
func Parse(expression, zone string) (*Schedule, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("time zone %q %w", zone, ErrZone)
	}
	if strings.Contains(expression, "=") || strings.HasPrefix(strings.TrimSpace(expression), "@every") {
		return nil, errors.New("must be 5 fields, or 6 with seconds first; time zone and interval are fields of their own")
	}
	spec, err := parser.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("must be 5 fields, or 6 with seconds first: %w", err)
	}
	s := &Schedule{spec: spec, hourly: everyHour(expression), zone: location}
	if _, err := s.Next(0); err != nil {
		return nil, err
	}
	return s, nil
}

// everyHour tells whether the field of hours is *, or every so many.
func everyHour(expression string) bool {
	fields := strings.Fields(expression)
	if len(fields) < 5 {
		return fields[0] == "@hourly"
	}
	hour := fields[len(fields)-4]
	return strings.HasPrefix(hour, "*") || hour == "?"
}

// Next is the first run after a time, both in ms since the epoch.
func (s *Schedule) Next(after int64) (int64, error) {
	from := time.UnixMilli(after).In(s.zone)
	if s.hourly {
		return milli(s.spec.Next(from))
	}
	// The clock on the wall, taken for UTC, which has no gaps.
	wall := time.Date(from.Year(), from.Month(), from.Day(), from.Hour(), from.Minute(), from.Second(), 0, time.UTC)
	for wall = s.spec.Next(wall); !wall.IsZero(); wall = s.spec.Next(wall) {
		if at := s.instant(wall); at.UnixMilli() > after {
			return at.UnixMilli(), nil
		}
	}
	return 0, ErrNever
}

// instant is when clocks show a time first, or what they change to where they
// skip it.
func (s *Schedule) instant(wall time.Time) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, s.zone)
	begin, end := at.ZoneBounds()
	if at.Hour() == wall.Hour() && at.Minute() == wall.Minute() {
		if first := at.Add(-setBack(begin, at)); first.Before(begin) {
			return first // clocks show it a second time
		}
		return at
	}
	if skipped := wall.Sub(time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)); skipped > 0 {
		return end // Date took the time before the change
	}
	return begin
}

// setBack is by how much clocks went back when a zone began that is in force at
// a time; less than 0 when they went forward.
func setBack(begin, at time.Time) time.Duration {
	if begin.IsZero() {
		return 0
	}
	_, before := begin.Add(-1).Zone()
	_, now := at.Zone()
	return time.Duration(before-now) * time.Second
}

func milli(t time.Time) (int64, error) {
	if t.IsZero() {
		return 0, ErrNever
	}
	return t.UnixMilli(), nil
}
