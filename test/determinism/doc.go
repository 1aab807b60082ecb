// Package determinism holds that the state is a function of the log: by
// reading the source of what computes it, and by computing it on several
// machines from the same log.
package determinism
