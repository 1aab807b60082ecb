package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Down removes everything of the cluster. What is already gone is no error, so it also finishes what an
// interrupted Up or Down left.
func (c *Cluster) Down(ctx context.Context) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.refuseForeign(); err != nil {
		return err
	}
	return c.clean(ctx)
}

func (c *Cluster) clean(ctx context.Context) error {
	c.thawVolumes()
	if err := c.killAll(); err != nil {
		return err
	}
	err := errors.Join(c.removeLink(ctx), c.unmountAll(), detachLoops(ctx, c.stateDir()), c.removeCgroups(), c.removeStrays())
	if err != nil {
		return err
	}
	// Only now: as long as something is left, the state is needed to find it.
	return errors.Join(os.RemoveAll(c.runDir()), os.RemoveAll(c.stateDir()), os.RemoveAll(c.cloneDir()), restoreHost())
}

// thawVolumes lets file systems go on that a test which was interrupted has frozen: nothing that waits for one can be
// killed.
func (c *Cluster) thawVolumes() {
	const fiThaw = 0xC0045878 // of linux/fs.h
	points, _ := mountsUnder(c.state("volumes"))
	for _, point := range points {
		if f, err := os.Open(point); err == nil {
			_ = unix.IoctlSetInt(int(f.Fd()), fiThaw, 0) // one that is not frozen says so
			_ = f.Close()
		}
	}
}

// netnsIDs identify the network namespaces of control plane and nodes, as far as they exist.
func (c *Cluster) netnsIDs() (ids []string) {
	for _, netns := range c.namespaces() {
		var st unix.Stat_t
		if err := unix.Stat(netns, &st); err == nil {
			ids = append(ids, fmt.Sprintf("net:[%d]", st.Ino))
		}
	}
	return ids
}

// belongs tells whether a process is of this cluster: in one of its network namespaces or its control group.
func (c *Cluster) belongs(pid int, netns []string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if link, err := os.Readlink(filepath.Join(proc, "ns/net")); err == nil && slices.Contains(netns, link) {
		return true
	}
	groups, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	return err == nil && strings.Contains(string(groups), ":/"+c.cgroup()+"/")
}

// processes are all those of the cluster: its own programs, shims, and what runs in pods.
func (c *Cluster) processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	netns := c.netnsIDs()
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && c.belongs(pid, netns) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// killAll ends every process. Killed outright: their state is removed right after.
func (c *Cluster) killAll() error {
	const limit = 15 * time.Second
	deadline := time.Now().Add(limit)
	for {
		pids, err := c.processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of cluster %s do not end, %s after they were killed", pids, c.Name, limit)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// mountsUnder lists mount points below the directories, the latest mounted first.
func mountsUnder(dirs ...string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[4])
		for _, dir := range dirs {
			if point == dir || strings.HasPrefix(point, dir+"/") {
				found = append(found, point)
			}
		}
	}
	slices.Reverse(found)
	return found, nil
}

func (c *Cluster) unmountAll() error {
	// More than once: a mount under a mount that propagated may show up only when the upper one is gone.
	for range 3 {
		points, err := mountsUnder(c.stateDir(), c.runDir())
		if err != nil || len(points) == 0 {
			return err
		}
		for _, point := range points {
			if unix.Unmount(point, 0) != nil {
				_ = unix.Unmount(point, unix.MNT_DETACH)
			}
		}
	}
	points, err := mountsUnder(c.stateDir(), c.runDir())
	if err == nil && len(points) > 0 {
		err = fmt.Errorf("cannot unmount %s", strings.Join(points, ", "))
	}
	return err
}

// detachLoops frees loop devices whose file is below dir. Usually unmounting did; an attempt that was interrupted
// between the two leaves one.
func detachLoops(ctx context.Context, dir string) error {
	if path, _ := exec.LookPath("losetup"); path == "" {
		return nil
	}
	list, err := output(ctx, nil, "losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE")
	if err != nil {
		return err
	}
	var errs []error
	for _, line := range strings.Split(list, "\n") {
		if device, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(strings.TrimSpace(file), dir+"/") {
			errs = append(errs, command(ctx, "losetup", "--detach", device))
		}
	}
	return errors.Join(errs...)
}

// removeLink deletes the machine's end of the link; routes and the other end go with it. The other links go with the
// namespaces.
func (c *Cluster) removeLink(ctx context.Context) error {
	if !exists("/sys/class/net/" + c.hostLink()) {
		return nil
	}
	err := command(ctx, "ip", "link", "delete", c.hostLink())
	if !exists("/sys/class/net/" + c.hostLink()) {
		// It went by itself: the kernel removes it some time after the namespace.
		return nil
	}
	return err
}

// removeStrays deletes the few files that programs keep outside of our directories whatever they are told.
func (c *Cluster) removeStrays() error {
	var errs []error
	results, _ := filepath.Glob("/var/lib/cni/results/" + c.networkName() + "-*")
	for _, file := range results {
		errs = append(errs, os.Remove(file))
	}
	// The loopback network's results carry no name of ours, but the path of the pod's network namespace.
	loopbacks, _ := filepath.Glob("/var/lib/cni/results/cni-loopback-*")
	for _, file := range loopbacks {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), `"netns":"`+c.runDir()+"/") {
			errs = append(errs, os.Remove(file))
		}
	}
	links, _ := filepath.Glob("/var/log/containers/*.log")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, c.stateDir()+"/") {
			errs = append(errs, os.Remove(link))
		}
	}
	return errors.Join(errs...)
}
