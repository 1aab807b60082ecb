package cron

import (
	"errors"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name, expression, zone, after string
		want                          []string
	}{
		{"five fields", "*/15 * * * *", "", "2026-03-01T10:07:00Z", []string{"2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z"}},
		{"six fields", "*/20 0 * * * *", "", "2026-03-01T10:00:05Z", []string{"2026-03-01T10:00:20Z", "2026-03-01T10:00:40Z", "2026-03-01T11:00:00Z"}},
		{"a word", "@daily", "America/New_York", "2026-03-01T10:00:00Z", []string{"2026-03-02T05:00:00Z"}},
		{"the 29th of February", "0 12 29 2 *", "", "2026-03-01T10:00:00Z", []string{"2028-02-29T12:00:00Z"}},
		// Berlin: 2026-03-29 clocks go from 02:00 to 03:00, 2026-10-25 from 03:00 to 02:00.
		{"a time that is skipped runs at the change", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"a time that comes twice runs once", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"every hour goes by elapsed time when clocks go forward", "0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z",
			[]string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"every hour goes by elapsed time when clocks go back", "0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"every ten minutes in the hour that comes twice", "*/10 * * * *", "Europe/Berlin", "2026-10-25T00:45:00Z",
			[]string{"2026-10-25T00:50:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:10:00Z"}},
		{"midnight that is skipped", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse(tt.expression, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			after, err := time.Parse(time.RFC3339, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			at := after.UnixMilli()
			for _, want := range tt.want {
				if at, err = s.Next(at); err != nil || time.UnixMilli(at).UTC().Format(time.RFC3339) != want {
					t.Fatalf("%s, %v, want %s", time.UnixMilli(at).UTC().Format(time.RFC3339), err, want)
				}
			}
		})
	}
}

// TestNextRises: however often it is asked from its own answer, and once a day
// is once a day.
func TestNextRises(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"} {
		for _, expression := range []string{"15 2 * * *", "*/7 * * * *", "0 0 * * *", "45 1 * * *"} {
			s, err := Parse(expression, zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 1, 1, 0, 0, 30, 0, time.UTC).UnixMilli()
			runs := 0
			for end := at + 365*86_400_000; at < end; runs++ {
				next, err := s.Next(at)
				if err != nil || next <= at {
					t.Fatalf("%s in %s: %d behind %d, %v", expression, zone, next, at, err)
				}
				at = next
			}
			if expression != "*/7 * * * *" && (runs < 365 || runs > 366) {
				t.Errorf("%s in %s: %d runs in a year", expression, zone, runs)
			}
		}
	}
}

func TestNever(t *testing.T) {
	if _, err := Parse("0 0 31 4 *", ""); !errors.Is(err, ErrNever) {
		t.Errorf("%v", err)
	}
	for _, zone := range []string{"Local", "Nowhere", "../etc/passwd"} {
		if _, err := Parse("* * * * *", zone); err == nil {
			t.Errorf("%s is a time zone", zone)
		}
	}
}
