package storm

import (
	"errors"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	good := func() *Report {
		r := newReport(Options{Clients: 10})
		r.counted(1000, 0, 40)
		r.rotated(Kinds)
		r.killed()
		r.PasswordsRefused, r.AuthoritiesRefused = 2, 1
		return r
	}
	for name, test := range map[string]struct {
		change func(*Report)
		want   string
	}{
		"nothing broke":                      {func(*Report) {}, ""},
		"a failed command":                   {func(r *Report) { r.Failed = 1 }, "1 commands failed"},
		"a restart":                          {func(r *Report) { r.Restarts = 1 }, "1 restarts"},
		"another pod":                        {func(r *Report) { r.Replaced = 1 }, "1 replacements"},
		"an old password that was not tried": {func(r *Report) { r.rotated([]Kind{Tokens}) }, "2 old passwords were refused after 3"},
		"an old authority that is trusted":   {func(r *Report) { r.AuthoritiesRefused = 0 }, "0 old authorities were refused after 1"},
		"clients that do nothing":            {func(r *Report) { r.Commands = 0 }, "did nothing"},
		"clients that never connect anew":    {func(r *Report) { r.Connections = 10 }, "did nothing"},
		"nothing of a kind":                  {func(r *Report) { r.Rotations[Certificates] = 0 }, "no certificates were rotated"},
		"an operator that lives":             {func(r *Report) { r.Kills = 0 }, "was not killed"},
		"what broke on the way":              {func(r *Report) { r.problem(errors.New("sessions stay")) }, "sessions stay"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			test.change(r)
			err := r.Err()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
