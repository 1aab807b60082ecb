// Package policy judges the NetworkPolicy of a database by somebody else's
// reading of the Kubernetes API, pod by pod, port by port, in both directions.
package policy
