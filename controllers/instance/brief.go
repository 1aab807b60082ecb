package instance

import "strings"

// MaxStatus bounds the status column, as the CRD does, and messages of
// conditions and events, as the API server does the latter, in bytes. What is
// longer comes from elsewhere: the API server repeats what it refuses, a member
// says what it likes. A status that is refused for its length tells nothing.
const MaxStatus = 1024

// Brief cuts a text to so many bytes.
func Brief(text string, most int) string {
	const more = "…"
	text = strings.ToValidUTF8(text, "")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(more)], "") + more
}
