package harness

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// KeySpace is how many different numbers __rand_int__ becomes.
	KeySpace = 1_000_000
	// Calibration is how many requests tell how many a round takes.
	Calibration = 20_000
	// maxDiscarded bounds how many rounds are repeated for steal.
	maxDiscarded = 20
)

// Load is what redis-benchmark does to a server.
type Load struct {
	Name  string
	Depth int // commands that a connection sends before it reads
	// Parts run beside each other, each with its share of the requests by its
	// connections.
	Parts []Part
	// Prepare makes the server ready for a round of so many requests; nil: it is.
	Prepare func(c *Client, requests int) error
}

// Part is a command, in which __rand_int__ stands for a number of 12 digits.
type Part struct {
	Connections int
	Command     []string
}

// Round is what one round of a load showed.
type Round struct {
	Rate     float64 // requests/s
	P50, P99 float64 // ms; of several parts, the larger
	CPU      float64 // of the server, µs a command
	Steal    float64 // share
	Syncs    float64 // per acknowledged write; NaN if nobody counted
}

// TakeTurns runs rounds of about so many seconds, A B C A B C …, and again what
// was disturbed by other machines.
func (l Load) TakeTurns(servers []*Server, rounds int, seconds float64) (measured map[string][]Round, discarded int, err error) {
	requests := map[string]int{}
	for _, s := range servers {
		first, err := l.Run(s, Calibration)
		if err != nil {
			return nil, 0, err
		}
		requests[s.Name] = max(Calibration, int(first.Rate*seconds))
	}
	measured = map[string][]Round{}
	for range rounds {
		for _, s := range servers {
			for {
				one, err := l.Run(s, requests[s.Name])
				if err != nil {
					return nil, 0, err
				}
				if one.Steal <= MaxSteal {
					measured[s.Name] = append(measured[s.Name], one)
					break
				}
				if discarded++; discarded > maxDiscarded {
					return nil, 0, fmt.Errorf("%d rounds with more than %.0f %% steal: this machine is too busy", discarded, MaxSteal*100)
				}
			}
		}
	}
	return measured, discarded, nil
}

// Run runs a round.
func (l Load) Run(s *Server, requests int) (r Round, err error) {
	if err := l.prepare(s, requests); err != nil {
		return r, fmt.Errorf("%s: %w", l.Name, err)
	}
	syncs, counted := s.syncs()
	steal, all, err := StealTime()
	if err != nil {
		return r, err
	}
	cpu, err := CPUTime(s.PID())
	if err != nil {
		return r, err
	}
	if r, err = l.Benchmark(s, requests); err != nil {
		return r, fmt.Errorf("%s: %w", l.Name, err)
	}
	cpuAfter, err := CPUTime(s.PID())
	if err != nil {
		return r, err
	}
	stealAfter, allAfter, err := StealTime()
	if err != nil {
		return r, err
	}
	r.CPU = float64((cpuAfter - cpu).Microseconds()) / float64(requests)
	r.Steal = (stealAfter - steal) / (allAfter - all)
	r.Syncs = math.NaN()
	if syncsAfter, ok := s.syncs(); ok && counted {
		r.Syncs = (syncsAfter - syncs) / float64(requests)
	}
	return r, nil
}

func (l Load) prepare(s *Server, requests int) error {
	if l.Prepare == nil {
		return nil
	}
	c, err := s.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return l.Prepare(c, requests)
}

// Benchmark runs redis-benchmark, once for each part, all at the same time.
func (l Load) Benchmark(s *Server, requests int) (r Round, err error) {
	connections := 0
	for _, p := range l.Parts {
		connections += p.Connections
	}
	rounds, failed := make([]Round, len(l.Parts)), make(chan error, len(l.Parts))
	for i, p := range l.Parts {
		go func() {
			share, err := p.run(s, requests*p.Connections/connections, l.Depth)
			rounds[i] = share
			failed <- err
		}()
	}
	for range l.Parts {
		err = errors.Join(err, <-failed)
	}
	for _, one := range rounds {
		r.Rate += one.Rate
		r.P50, r.P99 = max(r.P50, one.P50), max(r.P99, one.P99)
	}
	return r, err
}

// run pins the cipher, so that both sides seal the same way.
func (p Part) run(s *Server, requests, depth int) (r Round, err error) {
	args := []string{"--tls", "--cacert", filepath.Join(s.Home, "ca.crt"),
		"--tls-ciphersuites", "TLS_AES_128_GCM_SHA256", "-h", "127.0.0.1", "-p", s.Port,
		"-a", s.Password, // which is worth nothing, and redis-benchmark reads it from nowhere else
		"-c", strconv.Itoa(p.Connections), "-n", strconv.Itoa(requests), "-P", strconv.Itoa(depth),
		"-r", strconv.Itoa(KeySpace), "--csv"}
	cmd := exec.Command("redis-benchmark", append(args, p.Command...)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("redis-benchmark: %w\n%s", err, &problems)
	}
	records, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(records) != 2 {
		return r, fmt.Errorf("redis-benchmark printed %q: %w", out, err)
	}
	for name, to := range map[string]*float64{"rps": &r.Rate, "p50_latency_ms": &r.P50, "p99_latency_ms": &r.P99} {
		for i, column := range records[0] {
			if column == name {
				if *to, err = strconv.ParseFloat(records[1][i], 64); err != nil {
					return r, fmt.Errorf("redis-benchmark: %w", err)
				}
			}
		}
	}
	if r.Rate == 0 {
		return r, fmt.Errorf("redis-benchmark printed %q", out)
	}
	return r, nil
}

// syncs is how often the engine has waited for its log; redis-server does not
// tell.
func (s *Server) syncs() (n float64, ok bool) {
	if s.Name == Redis {
		return 0, false
	}
	c, err := s.Dial()
	if err != nil {
		return 0, false
	}
	defer c.Close()
	n, err = c.InfoNumber("persistence", "coffer_log_syncs")
	return n, err == nil
}

// RedisVersion is what redis-server calls itself.
func RedisVersion() string {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "unknown"
	}
	for field := range strings.FieldsSeq(string(out)) {
		if v, ok := strings.CutPrefix(field, "v="); ok {
			return v
		}
	}
	return "unknown"
}
