package lifecycle

import (
	"fmt"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// leftBehind says how many sessions are on passwords before the current one.
func leftBehind(c v1alpha1.CredentialsStatus) string {
	text := ""
	for _, g := range c.Sessions {
		if g.Generation < c.Generation && g.Sessions > 0 {
			verb := "sessions are"
			if g.Sessions == 1 {
				verb = "session is"
			}
			text += fmt.Sprintf("; %d %s still on generation %d", g.Sessions, verb, g.Generation)
		}
	}
	if text == "" {
		return "; no session is left on the one before"
	}
	return text
}
