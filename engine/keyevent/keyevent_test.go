package keyevent

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]struct {
		shown string
		err   string
	}{
		"":                                {shown: ""},
		"Kx":                              {shown: "xK"},
		"KEA":                             {shown: "AKE"},
		"EgKg":                            {shown: "gKE"},
		"Kg$lshzt":                        {shown: "g$lshztK"},
		"KAn":                             {shown: "AK"},
		"Kn":                              {shown: "nK"},
		"EA$l":                            {shown: "AE"},
		"A":                               {err: "K (channels named after keys)"},
		"KE":                              {err: "says which channels and not of what"},
		"KEm":                             {err: "m (misses) is not told"},
		"Ky":                              {err: `unknown class 'y'`},
		strings.Repeat("K", MaxLetters+1): {err: "must be at most 32"},
	} {
		c, err := Parse(text)
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) {
				t.Errorf("%q: %v, want %q", text, err, want.err)
			}
			continue
		}
		if err != nil || c.String() != want.shown {
			t.Errorf("%q: %q, %v, want %q", text, c, err, want.shown)
		}
	}
}
