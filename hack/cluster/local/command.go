package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// command runs a program to its end; its output is in the error when it fails.
func command(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, nil, name, args...)
	return err
}

func output(ctx context.Context, stdin []byte, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(stderr.String() + stdout.String())
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, text)
	}
	return stdout.String(), nil
}

// within prefixes a command so that it runs in a network namespace. nsenter, not `ip netns exec`: the latter mounts a
// fresh /sys, which hides the control groups from kubelet and containerd.
func within(netns string, line ...string) []string {
	return append([]string{"nsenter", "--net=" + netns}, line...)
}

// kubectl runs kubectl as administrator.
func (c *Cluster) kubectl(ctx context.Context, stdin []byte, args ...string) (string, error) {
	return output(ctx, stdin, c.Programs.Path("kubectl"), append([]string{"--kubeconfig", c.kubeconfig("admin")}, args...)...)
}

func (c *Cluster) logFile(name string) string { return c.state(filepath.Join("log", name+".log")) }

// start runs a program in a network namespace for as long as the cluster lives: a session of its own, output in a log
// file.
func (c *Cluster) start(netns, name string, args ...string) error {
	log, err := os.OpenFile(c.logFile(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	line := within(netns, args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.stateDir(), log, log
	cmd.Env = append(os.Environ(), "PATH="+strings.Join(c.Programs.Dirs(), ":")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// Reaped if it ends while this command still runs, so that alive sees the truth.
	go func() { _ = cmd.Wait() }()
	return os.WriteFile(c.pidFile(name), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

func (c *Cluster) pidFile(name string) string { return c.state(filepath.Join("pid", name)) }

// daemonPID is the process of a started program and whether it still is one of this cluster's.
func (c *Cluster) daemonPID(name string) (pid int, alive bool) {
	data, err := os.ReadFile(c.pidFile(name))
	if err != nil {
		return 0, false
	}
	if pid, err = strconv.Atoi(string(data)); err != nil {
		return 0, false
	}
	return pid, c.belongs(pid, c.netnsIDs())
}

// waitFor polls until ready returns nil. When the program it depends on ends, or time is up, the error holds the
// tail of its log.
func (c *Cluster) waitFor(ctx context.Context, daemon string, limit time.Duration, ready func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if _, alive := c.daemonPID(daemon); !alive {
			return fmt.Errorf("%s ended: %s", daemon, c.logTail(daemon))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w; its log ends with: %s", daemon, limit, err, c.logTail(daemon))
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Cluster) logTail(name string) string {
	data, err := os.ReadFile(c.logFile(name))
	if err != nil {
		return err.Error()
	}
	const tail = 2000
	if len(data) > tail {
		data = data[len(data)-tail:]
	}
	return c.logFile(name) + ":\n" + string(data)
}
