// Package following connects asynq to a database whose connection secret is
// mounted and changes.
package following

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"

	"github.com/coffer-dev/coffer/hack/demo/client/connection"
)

// Redis is what asynq.NewClient, NewServer, NewScheduler and NewInspector take.
type Redis struct {
	Source      *connection.Source
	Connections int // of the pool, at most
}

// MakeRedisClient implements asynq.RedisConnOpt.
func (r Redis) MakeRedisClient() any {
	c := &client{Client: redis.NewClient(r.Source.Options(r.Connections, "")), open: map[net.Conn]struct{}{}}
	options := r.Source.Options(1, "")
	dial := options.Dialer
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			c.opened(conn)
		}
		return conn, err
	}
	c.listening = redis.NewClient(options)
	_, c.unsubscribe, _ = r.Source.Subscribe(c) // which always succeeds
	return c
}

// client has its subscriptions, by which asynq's servers hear that a task is
// cancelled, on connections of their own: those are in no pool, so nobody logs
// them in again. They are closed when the password changes, and go-redis makes
// new ones and subscribes again.
type client struct {
	*redis.Client
	listening   *redis.Client
	unsubscribe auth.UnsubscribeFunc

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// Subscribe replaces the pooled client's.
func (c *client) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return c.listening.Subscribe(ctx, channels...)
}

func (c *client) opened(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = struct{}{}
}

// OnNext implements auth.CredentialsListener: the password has changed.
func (c *client) OnNext(auth.Credentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
	clear(c.open)
}

// OnError implements auth.CredentialsListener.
func (c *client) OnError(error) {}

// Close replaces the pooled client's.
func (c *client) Close() error {
	_ = c.unsubscribe()
	_ = c.listening.Close()
	return c.Client.Close()
}
