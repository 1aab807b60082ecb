// Package disk fills real, small file systems: what a volume does when there is
// no space left, which no double does quite like it. It needs root, for loop
// devices and mounts, and says so where it cannot run.
package disk
