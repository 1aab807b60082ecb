package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	startTimeout = time.Minute
	stopTimeout  = time.Minute
)

// The contenders' names.
const (
	everySecond = "coffer EverySecond"
	always      = "coffer Always"
	bullmq      = "BullMQ"
	asynqName   = "asynq"
	jetStream   = "JetStream"
	beanstalkd  = "beanstalkd"
	beanstalkdF = "beanstalkd -f 0"
)

var names = []string{everySecond, bullmq, asynqName, beanstalkd, always, jetStream, beanstalkdF}

// syncsAll are those that answer a write when it is on the disk.
var syncsAll = []string{always, jetStream, beanstalkdF}

// contender is a server that was started on a directory of its own.
type contender struct {
	server *exec.Cmd
	log    bytes.Buffer
	// load carries out a load of so many jobs of so many bytes, and says how long
	// it took. nil: it has nothing of the kind.
	load map[string]func(jobs, bytes int) (time.Duration, error)
}

// begin starts a contender's server.
func begin(o options, name string) (*contender, error) {
	dir, err := os.MkdirTemp(o.dir, "data-")
	if err != nil {
		return nil, err
	}
	number, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(number)
	switch name {
	case everySecond:
		return startCoffer(o, dir, port, config.EverySecond)
	case always:
		return startCoffer(o, dir, port, config.Always)
	case bullmq:
		return startBullMQ(dir, port)
	case asynqName:
		return startAsynq(dir, port)
	case jetStream:
		return startJetStream(o, dir, port)
	case beanstalkd:
		return startBeanstalkd(dir, port, "-f", "1000")
	case beanstalkdF:
		return startBeanstalkd(dir, port, "-f", "0")
	}
	return nil, fmt.Errorf("-only %s: one of %s", name, strings.Join(names, ", "))
}

// serve starts a server and waits until it listens.
func serve(port string, command ...string) (*contender, error) {
	c := &contender{server: exec.Command(command[0], command[1:]...)}
	c.server.Stdout, c.server.Stderr = &c.log, &c.log
	c.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.server.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(startTimeout); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return c, conn.Close()
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("%s does not listen: %s", command[0], &c.log), c.end())
		}
	}
}

func (c *contender) end() error {
	_ = c.server.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopTimeout, func() { _ = c.server.Process.Kill() })
	defer late.Stop()
	// Some end by the signal, which is as good.
	var exit *exec.ExitError
	if err := c.server.Wait(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 0) {
		return fmt.Errorf("%s: %w\n%s", c.server.Path, err, &c.log)
	}
	return nil
}

func startRedis(dir, port string) (*contender, error) {
	return serve(port, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
}

func startBullMQ(dir, port string) (*contender, error) {
	c, err := startRedis(dir, port)
	if err != nil {
		return nil, err
	}
	run := func(what string, workers int) func(jobs, bytes int) (time.Duration, error) {
		return func(jobs, bytes int) (time.Duration, error) {
			return harness.BullMQ(port, "", what, workers, jobs, bytes)
		}
	}
	c.load = map[string]func(int, int) (time.Duration, error){
		"push": run("push", pushers), "batch": run("batch", batchers), "fill": run("fill", batchers), "process": run("process", workers)}
	return c, nil
}

func startJetStream(o options, dir, port string) (*contender, error) {
	binary := filepath.Join(o.dir, "jetstream")
	c, err := serve(port, binary, "serve", dir, port)
	if err != nil {
		return nil, err
	}
	run := func(what string, workers int) func(jobs, bytes int) (time.Duration, error) {
		return func(jobs, bytes int) (time.Duration, error) {
			return harness.Program(binary, "load", port, what, strconv.Itoa(jobs), strconv.Itoa(bytes), strconv.Itoa(workers))
		}
	}
	c.load = map[string]func(int, int) (time.Duration, error){
		"push": run("push", pushers), "batch": run("batch", batchers), "fill": run("fill", batchers), "process": run("process", workers)}
	return c, nil
}

func versions() string {
	var all []string
	for _, v := range [][]string{{"redis-server", "--version"}, {"beanstalkd", "-v"}} {
		out, err := exec.Command(v[0], v[1:]...).Output()
		if err != nil {
			out = []byte("unknown")
		}
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), " sha=")
		all = append(all, line)
	}
	return ", " + strings.Join(append(all, "BullMQ 6.7.0", "asynq 0.26.0", "nats-server 2.15.3"), ", ")
}
