package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	// logins of each kind, ten of them from each address: so many wrong ones are
	// answered at once, and the eleventh would wait.
	logins     = 100_000
	fromSource = 10
	// longPassword takes some microseconds longer to hash and to carry.
	longPassword = 1 << 10
	// maxZ is chance once in a thousand times; maxT is what those who look for
	// leaks of time take for one.
	maxZ = 3.3
	maxT = 4.5
)

// kind of a login that fails.
type kind struct {
	name, request string
}

var (
	wrongUser     = kind{"wrong user", "AUTH apq " + strings.Repeat("x", len(password)) + "\r\n"}
	wrongPassword = kind{"wrong password", "AUTH app " + strings.Repeat("x", len(password)) + "\r\n"}
	longOne       = kind{"wrong password of 1 KiB", "AUTH app " + strings.Repeat("x", longPassword) + "\r\n"}
)

// measureLogins compares what a stranger sees of a wrong user with what it sees
// of a wrong password.
func measureLogins(o options, r *harness.Report) (goals [][]string, err error) {
	e, err := startEngine(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	rows := [][]string{{"a", "b", "tries", "median a µs", "median b µs", "a − b µs (95 %)", "a is slower", "Mann–Whitney z", "p", "Welch t"}}
	source := 0
	for i, pair := range [][2]kind{{wrongUser, wrongPassword}, {wrongUser, wrongUser}, {longOne, wrongPassword}} {
		tries := logins
		if o.quick {
			tries /= 10
		}
		a, b, differences, err := e.tryLogins(pair, tries, &source)
		if err != nil {
			return nil, err
		}
		c := compare(a, b)
		low, high := interval(differences)
		if i == 0 {
			goals = append(goals, goal(fmt.Sprintf("a wrong user and a wrong password cannot be told apart in %d tries: z within ±%v, t within ±%v", len(a)+len(b), maxZ, maxT),
				fmt.Sprintf("z %.2f, t %.2f, %.3f µs (%.3f–%.3f), a is slower %.4f of the time", c.z, c.welch, median(differences), low, high, c.superiority), math.Abs(c.z) < maxZ && math.Abs(c.welch) < maxT))
		}
		rows = append(rows, []string{
			pair[0].name, pair[1].name, fmt.Sprint(len(a) + len(b)), fmt.Sprintf("%.2f", c.medianA), fmt.Sprintf("%.2f", c.medianB),
			fmt.Sprintf("%.3f (%.3f–%.3f)", median(differences), low, high), fmt.Sprintf("%.4f", c.superiority), fmt.Sprintf("%.2f", c.z), fmt.Sprintf("%.3g", c.p), fmt.Sprintf("%.2f", c.welch),
		})
	}
	failures, err := e.info("stats", "acl_access_denied_auth")
	if err != nil {
		return nil, err
	}
	r.Add(harness.Table("Logins that fail",
		fmt.Sprintf("From writing AUTH to its answer, over TLS, in an order drawn anew on each connection, %d from each source address of the loopback network, which is what the throttle answers at once: %d failed logins in all. "+
			"a − b is the median of the connections' differences of medians. \"a is slower\" is how often a try of a takes longer than one of b, 0.5 where nothing tells them apart; t is of the values below the ninetieth percentile. "+
			"The second row compares one kind with itself, the third with one that takes some microseconds longer to carry and to hash: what the method sees where there is nothing, and where there is little.",
			fromSource, failures), rows))
	return goals, nil
}

// tryLogins gives the times of both kinds, µs, and the differences of the
// medians of each connection.
func (e *engine) tryLogins(pair [2]kind, tries int, source *int) (a, b, differences []float64, err error) {
	random := rand.New(rand.NewPCG(3, uint64(tries)))
	for range tries / fromSource {
		*source++
		c, err := e.connect(strangersAddress(*source).String())
		if err != nil {
			return nil, nil, nil, err
		}
		of, err := c.fail(pair, random.Perm(fromSource))
		c.close()
		if err != nil {
			return nil, nil, nil, err
		}
		a, b = append(a, of[0]...), append(b, of[1]...)
		differences = append(differences, median(of[0])-median(of[1]))
	}
	return a, b, differences, nil
}

// fail tries both kinds in that order, even numbers the first one.
func (c *client) fail(pair [2]kind, order []int) (times [2][]float64, err error) {
	if _, err := io.WriteString(c.conn, "PING\r\n"); err != nil { // the first exchange is another kind of slow
		return times, err
	}
	var no refusal
	if _, err := c.reply(); !errors.As(err, &no) {
		return times, fmt.Errorf("PING before a login: %w", err)
	}
	for _, n := range order {
		request := []byte(pair[n%2].request)
		begin := time.Now()
		if _, err := c.conn.Write(request); err != nil {
			return times, err
		}
		_, err := c.reply()
		took := time.Since(begin)
		if !errors.As(err, &no) || !strings.HasPrefix(string(no), "-WRONGPASS") {
			return times, fmt.Errorf("%s: %w", pair[n%2].name, err)
		}
		times[n%2] = append(times[n%2], float64(took.Nanoseconds())/1000)
	}
	return times, nil
}
