package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const cgroupMount = "/sys/fs/cgroup"

// unified tells whether the machine has only version 2 of control groups.
func unified() bool {
	_, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers"))
	return err == nil
}

// hierarchies are the mounted trees of control groups: one with version 2, one for each controller with version 1.
func hierarchies() ([]string, error) {
	if unified() {
		return []string{cgroupMount}, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		dir := filepath.Join(cgroupMount, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && e.Type()&fs.ModeSymlink == 0 {
			found = append(found, dir)
		}
	}
	return found, nil
}

// makeCgroups makes the group that all pods are under, and in it one for each node's. kubelet wants its own to exist
// in every tree, with the controllers handed down (version 2) or the processors copied (version 1).
func (c *Cluster) makeCgroups() error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if unified() {
			if err := handDown(dir); err != nil {
				return err
			}
		}
		if err := makeCgroup(filepath.Join(dir, c.cgroup())); err != nil {
			return err
		}
		for _, n := range c.Nodes() {
			if err := makeCgroup(filepath.Join(dir, n.cgroup())); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeCgroup(group string) error {
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	if unified() {
		return handDown(group)
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if value, err := os.ReadFile(filepath.Join(filepath.Dir(group), file)); err == nil {
			if err := os.WriteFile(filepath.Join(group, file), value, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// handDown lets the children of a version 2 group use every controller it has.
func handDown(group string) error {
	controllers, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(controllers)) {
		if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+name), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the group with all groups below it, the deepest first.
func (c *Cluster) removeCgroups() error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		var groups []string
		_ = filepath.WalkDir(filepath.Join(dir, c.cgroup()), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		slices.Reverse(groups)
		for _, group := range groups {
			if err := os.Remove(group); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
