package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	// strangersCount are ten times as many as there are places for.
	strangersCount = 10_000
	// typicalRate is a load that leaves the processors idle half of the time.
	typicalRate = 4_000 // requests a second
	// newcomersRate is how many users log in meanwhile.
	newcomersRate = 20 // a second
	// maxDiscarded bounds how many rounds are repeated for steal.
	maxDiscarded = 40
	goneTimeout  = time.Minute
)

// siege is a round without strangers and the one with them.
type siege struct {
	name          string
	without, with []round
	logins        [2][]float64 // ms, of those who logged in
	turnedAway    [2]int
}

// measureStrangers asks for the same with strangers and without.
func measureStrangers(o options, r *harness.Report) (goals [][]string, err error) {
	crowds := []crowd{{strangersCount, 10}, {strangersCount, 1}}
	e, err := startEngine(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	for _, c := range crowds {
		if o.quick {
			c.Count /= 10
		}
		sieges := []*siege{{name: fmt.Sprintf("%d requests/s", typicalRate)}, {name: "as many as it can"}}
		held, arrivals, err := e.besiege(o, c, sieges)
		if err != nil {
			return nil, err
		}
		r.Add(siegeTable(o, c, sieges, held, arrivals))
		for _, s := range sieges {
			ratio := s.p99Ratio()
			goals = append(goals,
				goal(fmt.Sprintf("%d strangers, back after %.0f s, %s: p99 within 2×", c.Count, c.Again, s.name), ratio.Text("%.2f×"), ratio.Median <= 2))
		}
		turnedAway, all := sieges[0].turnedAway[1]+sieges[1].turnedAway[1], len(sieges[0].logins[1])+len(sieges[1].logins[1])
		goals = append(goals, goal(fmt.Sprintf("%d strangers, back after %.0f s: every user gets in", c.Count, c.Again), fmt.Sprintf("%d logins, %d turned away", all, turnedAway), turnedAway == 0))
	}
	return goals, nil
}

// p99Ratio is with strangers over without them.
func (s *siege) p99Ratio() harness.Spread {
	var ratios []float64
	for i := range s.with {
		ratios = append(ratios, s.with[i].p99/s.without[i].p99)
	}
	return harness.SpreadOf(ratios)
}

// besiege runs the rounds. held is how many strangers the engine had during
// those with them, arrivals what the strangers saw in all, a second.
func (e *engine) besiege(o options, c crowd, sieges []*siege) (held harness.Spread, arrivals [2]float64, err error) {
	l, err := e.newLoad()
	if err != nil {
		return held, arrivals, err
	}
	defer l.close()
	var present []float64
	var total seen
	var stayed time.Duration
	for n, discarded := 0, 0; n < o.rounds; {
		without, err := e.roundsOf(o, l, sieges, 0)
		if err != nil {
			return held, arrivals, err
		}
		begin := time.Now()
		s, err := e.gather(c)
		if err != nil {
			return held, arrivals, err
		}
		with, roundErr := e.roundsOf(o, l, sieges, 1)
		count, infoErr := e.info("clients", "unauthenticated_clients")
		last, leaveErr := s.leave()
		if err := errors.Join(roundErr, infoErr, leaveErr, e.alone()); err != nil {
			return held, arrivals, err
		}
		if slices.ContainsFunc(append(slices.Clone(without), with...), func(r round) bool { return r.steal > harness.MaxSteal }) {
			if discarded++; discarded > maxDiscarded {
				return held, arrivals, fmt.Errorf("%d rounds with more than %.0f %% steal: this machine is too busy", discarded, harness.MaxSteal*100)
			}
			continue
		}
		n++
		present = append(present, float64(count))
		total.Connections, total.Handshakes, stayed = total.Connections+last.Connections, total.Handshakes+last.Handshakes, stayed+time.Since(begin)
		for i, s := range sieges {
			s.without, s.with = append(s.without, without[i]), append(s.with, with[i])
		}
	}
	return harness.SpreadOf(present), [2]float64{float64(total.Connections) / stayed.Seconds(), float64(total.Handshakes) / stayed.Seconds()}, nil
}

// roundsOf runs a round of each load, while users log in.
func (e *engine) roundsOf(o options, l *load, sieges []*siege, side int) (rounds []round, err error) {
	for i, s := range sieges {
		l.perSecond = 0
		if i == 0 {
			l.perSecond = typicalRate
		}
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			s.logIn(e, side, stop)
		}()
		one, err := l.run(o.length())
		close(stop)
		<-done
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, one)
	}
	return rounds, nil
}

// logIn has users log in, one after the other, until it is stopped.
func (s *siege) logIn(e *engine, side int, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second / newcomersRate)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		begin := time.Now()
		c, err := e.dial(appUser)
		if err != nil {
			s.turnedAway[side]++
			continue
		}
		s.logins[side] = append(s.logins[side], ms(time.Since(begin)))
		c.close()
	}
}

// alone waits until the engine has seen all strangers leave.
func (e *engine) alone() error {
	for end := time.Now().Add(goneTimeout); ; time.Sleep(50 * time.Millisecond) {
		n, err := e.info("clients", "unauthenticated_clients")
		if err == nil && n == 0 {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("%d strangers are still there", n), err)
		}
	}
}

func siegeTable(o options, c crowd, sieges []*siege, held harness.Spread, arrivals [2]float64) string {
	rows := [][]string{{"load", "strangers", "requests/s", "p50 ms", "p99 ms", "p99 ratio", "engine CPU µs/request", "logins", "login p50 ms", "login p99 ms", "turned away", "steal %"}}
	for _, s := range sieges {
		for side, rounds := range [][]round{s.without, s.with} {
			pick := func(of func(round) float64) harness.Spread { return harness.SpreadBy(rounds, of) }
			logins := s.logins[side]
			slices.Sort(logins)
			ratio := ""
			if side == 1 {
				ratio = s.p99Ratio().Text("%.2f")
			}
			rows = append(rows, []string{
				s.name, []string{"none", fmt.Sprint(c.Count)}[side],
				pick(func(r round) float64 { return r.rate }).Text("%.0f"), pick(func(r round) float64 { return r.p50 }).Text("%.2f"),
				pick(func(r round) float64 { return r.p99 }).Text("%.2f"), ratio, pick(func(r round) float64 { return r.cpu }).Text("%.1f"),
				fmt.Sprint(len(logins)), quantile(logins, 0.5), quantile(logins, 0.99), fmt.Sprint(s.turnedAway[side]),
				pick(func(r round) float64 { return r.steal * 100 }).Text("%.1f"),
			})
		}
	}
	return harness.Table(fmt.Sprintf("Users among %d strangers who come back after %.0f s", c.Count, c.Again),
		fmt.Sprintf("%d connections, GET and every %dth request a SET of %d bytes, `EverySecond`; %d rounds of %.0f s of each, in turn, median (smallest–largest). "+
			"A request's time counts from when it was to begin. Beside them %d users a second log in. Each stranger has a loopback address of its own, finishes its handshake, says nothing and, once it was closed, comes back; they are a process of the lowest priority. "+
			"They made %.0f connections and %.0f handshakes a second; the engine held %s of them at the end of a round.",
			connections, writeShare, valueBytes, len(sieges[0].with), o.seconds, newcomersRate, arrivals[0], arrivals[1], held.Text("%.0f")), rows)
}

// quantile of values in order.
func quantile(values []float64, q float64) string {
	if len(values) == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f", values[int(q*float64(len(values)-1))])
}
