// Command run plays simulated groups, seed after seed, and says which one
// fails. A seed needs its process for itself, so that there is one per core.
//
//	go run ./test/sim/run --duration 1h --seed 1
//	go run ./test/sim/run --seed 447 --count 1 --log
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/test/sim"
)

var (
	seed     = flag.Uint64("seed", 1, "the first seed")
	duration = flag.Duration("duration", 0, "how long to play; 0 for as long as there are seeds")
	count    = flag.Uint64("count", 0, "how many seeds; 0 for as many as there is time")
	log      = flag.Bool("log", false, "tell all that happens")
	stride   = flag.Uint64("stride", 0, "play in this process, every so many seeds")
)

func main() {
	flag.Parse()
	if *duration == 0 && *count == 0 {
		*count = 1000
	}
	if *stride > 0 || *count == 1 {
		os.Exit(play(max(1, *stride)))
	}
	os.Exit(share(uint64(runtime.NumCPU())))
}

// play plays seeds in this process, one line each.
func play(stride uint64) int {
	debug.SetGCPercent(400)
	begin := time.Now()
	for s := *seed; *count == 0 || s < *seed+*count; s += stride {
		if *duration > 0 && time.Since(begin) > *duration {
			return 0
		}
		r := sim.Run(s, *log)
		if *log {
			fmt.Println(r.Log)
		}
		if r.Err != nil {
			fmt.Printf("FAILED seed %d after %v: %v\n", s, time.Since(begin).Round(time.Millisecond), r.Err)
			fmt.Printf("replay: go run ./test/sim/run --seed %d --count 1 --log\n", s)
			return 1
		}
		fmt.Printf("ok %d %d %d %d\n", s, r.Events, r.Stats["operations"], r.Stats["keys undecided"])
	}
	return 0
}

// share has a process per core play every n-th seed, and tells how it goes.
func share(n uint64) int {
	lines := make(chan string)
	running := 0
	var processes []*exec.Cmd
	for i := range n {
		args := []string{"--stride", strconv.FormatUint(n, 10), "--seed", strconv.FormatUint(*seed+i, 10), "--duration", duration.String()}
		if *count > i {
			args = append(args, "--count", strconv.FormatUint(*count-i, 10))
		}
		cmd := exec.Command(os.Args[0], args...)
		out, err := cmd.StdoutPipe()
		if err == nil {
			cmd.Stderr = os.Stderr
			err = cmd.Start()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		processes = append(processes, cmd)
		running++
		go func() {
			for in := bufio.NewScanner(out); in.Scan(); {
				lines <- in.Text()
			}
			if err := cmd.Wait(); err != nil {
				lines <- "process: " + err.Error()
			}
			lines <- ""
		}()
	}
	code := watch(lines, running, processes)
	return code
}

// watch adds up what the processes say until all are done or one has failed.
func watch(lines <-chan string, running int, processes []*exec.Cmd) int {
	begin, told, code := time.Now(), time.Now(), 0
	var seeds, events, operations, undecided uint64
	tell := func() {
		told = time.Now()
		elapsed := time.Since(begin)
		fmt.Printf("%8v  %d seeds, %.0f a minute, %d M events, %d operations checked, %d keys undecided\n",
			elapsed.Round(time.Second), seeds, float64(seeds)/elapsed.Minutes(), events/1_000_000, operations, undecided)
	}
	for running > 0 {
		line := <-lines
		switch {
		case line == "":
			running--
		case strings.HasPrefix(line, "ok "):
			var s, e, o, u uint64
			_, _ = fmt.Sscanf(line, "ok %d %d %d %d", &s, &e, &o, &u)
			seeds, events, operations, undecided = seeds+1, events+e, operations+o, undecided+u
		default:
			fmt.Println(line)
			code = 1
			if strings.HasPrefix(line, "replay:") {
				for _, p := range processes {
					_ = p.Process.Kill()
				}
			}
		}
		if time.Since(told) > 10*time.Second {
			tell()
		}
	}
	tell()
	return code
}
