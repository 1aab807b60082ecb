package credentials

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// Annotations of the secret that holds the verifiers: the rotation machine's
// marks of what has been carried out.
const (
	annotationCompleted         = v1alpha1.AnnotationRotateComplete
	annotationAborted           = v1alpha1.AnnotationRotateAbort
	annotationAbortedGeneration = v1alpha1.GroupName + "/aborted-generation"
	annotationAbortedTrigger    = v1alpha1.GroupName + "/aborted-trigger"
	annotationAbortedAt         = v1alpha1.GroupName + "/aborted-at"
	annotationRevokedAt         = v1alpha1.GroupName + "/previous-revoked-at"
)

// Marks reads them.
func Marks(s *corev1.Secret) rotation.Marks {
	aborted, err := strconv.ParseInt(s.Annotations[annotationAbortedGeneration], 10, 64)
	if err != nil || aborted > rotation.MaxGeneration {
		aborted = 0
	}
	return rotation.Marks{
		Complete: s.Annotations[annotationCompleted], Abort: s.Annotations[annotationAborted],
		Aborted: aborted, AbortedTrigger: s.Annotations[annotationAbortedTrigger],
		AbortedAt: TimeOf(s, annotationAbortedAt), RevokedAt: TimeOf(s, annotationRevokedAt),
	}
}

// Annotations writes them.
func Annotations(m rotation.Marks) map[string]string {
	out := map[string]string{}
	note := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	note(annotationCompleted, m.Complete)
	note(annotationAborted, m.Abort)
	note(annotationAbortedTrigger, m.AbortedTrigger)
	if m.Aborted > 0 {
		note(annotationAbortedGeneration, strconv.FormatInt(m.Aborted, 10))
	}
	if !m.AbortedAt.IsZero() {
		note(annotationAbortedAt, m.AbortedAt.UTC().Format(time.RFC3339))
	}
	if !m.RevokedAt.IsZero() {
		note(annotationRevokedAt, m.RevokedAt.UTC().Format(time.RFC3339))
	}
	return out
}
