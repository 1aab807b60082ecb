package instance

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

// Line is a problem's message as the status column has it: a sentence, but for
// one that begins with a field's name.
func Line(message string) string {
	if !strings.HasPrefix(message, "spec.") {
		message = strings.ToUpper(message[:1]) + message[1:]
	}
	return Brief(message, MaxStatus)
}

// Timestamp is a time as a status has it; nil for none.
func Timestamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)}
}

// Setter sets a condition.
type Setter func(kind string, holds bool, reason, message string)

// Conditions are those that tell sets, with the times at which they turned. The
// list has room for so many, and nobody else's belong in it.
func Conditions(before []metav1.Condition, generation int64, tell func(set Setter)) []metav1.Condition {
	after, ours := slices.Clone(before), map[string]bool{}
	tell(func(kind string, holds bool, reason, message string) {
		status := metav1.ConditionFalse
		if holds {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&after, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: Brief(message, MaxStatus), ObservedGeneration: generation,
		})
		ours[kind] = true
	})
	return slices.DeleteFunc(after, func(c metav1.Condition) bool { return !ours[c.Type] })
}

// Handled are the values of annotations that were carried out: those of this
// pass, and those of before that it has not observed.
func Handled(seen, before map[string]string) map[string]string {
	var out map[string]string
	for annotation, value := range seen {
		if value == "" {
			value = before[annotation]
		}
		if value != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[annotation] = value
		}
	}
	return out
}
