// Package queue holds all jobs of an instance: their queues, leases, timers and
// schedules. It is pure: it reads no clock and no randomness, both come with
// each Op, so that every member that applies the same operations holds the same
// jobs.
package queue
