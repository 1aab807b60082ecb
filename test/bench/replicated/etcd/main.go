// Command etcd is a member of etcd, or the load for three of them, built from
// etcd's own modules:
//
//	etcd serve FLAGS...                 what the program etcd does
//	etcd load CA ENDPOINTS CONNECTIONS VALUE-BYTES KEYS
//
// The load prints true when it has connected, reads for how long it shall go on,
// puts, each connection one at a time, and prints how long each took, as JSON.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		etcdmain.Main(os.Args[1:])
		return
	}
	if err := load(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%d arguments instead of 5", len(args))
	}
	numbers := make([]int, 3)
	for i := range numbers {
		n, err := strconv.Atoi(args[2+i])
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	clients, err := connect(args[0], strings.Split(args[1], ","), numbers[0])
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(true); err != nil {
		return err
	}
	var text string
	if _, err := fmt.Scanln(&text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	times, err := put(clients, d, strings.Repeat("v", numbers[1]), numbers[2])
	if err != nil {
		return err
	}
	return out.Encode(times)
}

// connect opens connections, each to a member of its own turn.
func connect(ca string, endpoints []string, n int) (clients []*clientv3.Client, err error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for i := range n {
		c, err := clientv3.New(clientv3.Config{
			Endpoints: endpoints[i%len(endpoints) : i%len(endpoints)+1], DialTimeout: 10 * time.Second,
			TLS: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots},
		})
		if err != nil {
			return nil, err
		}
		if _, err := c.Get(context.Background(), "warm"); err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// put is the load: the time of each put, in nanoseconds.
func put(clients []*clientv3.Client, d time.Duration, value string, keys int) (times []int64, err error) {
	var mu sync.Mutex
	var running sync.WaitGroup
	end := time.Now().Add(d)
	for _, c := range clients {
		running.Go(func() {
			var own []int64
			var failed error
			for begin := time.Now(); begin.Before(end) && failed == nil; {
				_, failed = c.Put(context.Background(), fmt.Sprintf("key:%012d", rand.IntN(keys)), value)
				now := time.Now()
				own, begin = append(own, int64(now.Sub(begin))), now
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, own...)
			if failed != nil {
				err = failed
			}
		})
	}
	running.Wait()
	return times, err
}
