// Program mutation takes safeguards out of the code, one at a time, and runs
// the test that is to notice. The tree is not touched: the compiler is told to
// read the changed file from elsewhere (go build -overlay).
//
//	go run ./test/mutation [--only REGEXP] [--parallel 2] [--report FILE]
//
// It prints a table in Markdown and fails when a safeguard is not missed, when
// what takes its place does not compile, when its text is not found any more,
// or when a test fails although nothing is changed.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
)

func main() {
	only := flag.String("only", "", "regular expression: only the safeguards that `match`, by place or name")
	parallel := flag.Int("parallel", 2, "how many at a time")
	report := flag.String("report", "", "`file` to write the table to, beside standard output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *parallel, *report); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, parallel int, report string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	var chosen []safeguard
	for _, s := range safeguards() {
		if match.MatchString(s.file + " " + s.name) {
			chosen = append(chosen, s)
		}
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "coffer-mutation-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	l := &laboratory{root: root, temp: temp}
	results := l.all(ctx, chosen, parallel)
	if err := ctx.Err(); err != nil {
		return err
	}
	bad := table(os.Stdout, chosen, results)
	if report != "" {
		f, err := os.Create(report)
		if err != nil {
			return err
		}
		table(f, chosen, results)
		if err := f.Close(); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d safeguards are not held", bad, len(chosen))
	}
	return nil
}

// findRoot is the directory of go.mod.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// all tries the safeguards, some at a time, and says how far it is.
func (l *laboratory) all(ctx context.Context, chosen []safeguard, parallel int) []result {
	results := make([]result, len(chosen))
	next := make(chan int)
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	for range max(parallel, 1) {
		wg.Go(func() {
			for i := range next {
				results[i] = l.try(ctx, i, chosen[i])
				mu.Lock()
				done++
				fmt.Fprintf(os.Stderr, "[%d/%d] %-8s %5.1fs  %s: %s (%s)\n", done, len(chosen), results[i].verdict, results[i].took.Seconds(), chosen[i].file, chosen[i].name, chosen[i].test)
				mu.Unlock()
			}
		})
	}
	for i := range chosen {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	return results
}

// table writes the results and returns how many are not as they should be.
func table(w io.Writer, chosen []safeguard, results []result) (bad int) {
	fmt.Fprintf(w, "| file | without | test that goes red | result |\n| --- | --- | --- | --- |\n")
	for i, s := range chosen {
		r := results[i]
		said := string(cmp.Or(r.verdict, "not run"))
		if r.verdict != caught {
			bad++
			said = "**" + said + "** " + r.detail
		}
		fmt.Fprintf(w, "| `%s` | %s | `%s` | %s |\n", s.file, s.name, s.where(), said)
	}
	fmt.Fprintf(w, "\n%d safeguards, %d caught\n", len(chosen), len(chosen)-bad)
	return bad
}
