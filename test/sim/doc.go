// Package sim runs whole groups in one goroutine and virtual time, from one
// seed: the real member (replica, log, snapshots, machine, command parser) over
// a network that loses, delays, repeats, reorders and partitions, on disks that
// forget what was not synced, with clocks that disagree, members that stop, and
// members that come and go.
//
// What clients saw is checked to be linearizable, states at equal indexes to be
// equal, every term to have one leader, and the group to go on: with a majority
// that can talk, and wholly once all faults are gone. A seed replays exactly.
package sim
