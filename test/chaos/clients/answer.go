package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/test/linear"
)

// do carries out one command of a key, or one transaction of a pair.
func do(ctx context.Context, conn *redis.Client, key string, argv []string) (string, error) {
	steps := linear.Transaction(key, argv)
	if steps == nil {
		got, err := conn.Do(ctx, arguments(argv[0], key, argv[1:])...).Result()
		if err != nil && err != redis.Nil { //nolint:errorlint // it is never wrapped
			return "", err
		}
		return linear.Render(argv, replyOf(got)), nil
	}
	cmds, err := conn.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, step := range steps {
			p.Do(ctx, arguments(step[0], step[1], step[2:])...)
		}
		return nil
	})
	if err != nil && err != redis.Nil { //nolint:errorlint // it is never wrapped
		return "", err
	}
	answers := reply.Reply{Kind: reply.KindArray}
	for _, cmd := range cmds {
		answers.Items = append(answers.Items, replyOf(cmd.(*redis.Cmd).Val()))
	}
	return linear.Render(argv, answers), nil
}

func arguments(command, key string, rest []string) []any {
	args := []any{command, key}
	for _, a := range rest {
		args = append(args, a)
	}
	return args
}

// replyOf is what a client library made of a reply, as a reply.
func replyOf(v any) reply.Reply {
	switch v := v.(type) {
	case nil:
		return reply.Reply{Kind: reply.KindNull}
	case int64:
		return reply.Reply{Kind: reply.KindInteger, Int: v}
	case string:
		return reply.Reply{Kind: reply.KindBulk, Str: []byte(v)}
	case []any:
		r := reply.Reply{Kind: reply.KindArray}
		for _, item := range v {
			r.Items = append(r.Items, replyOf(item))
		}
		return r
	case map[any]any:
		r := reply.Reply{Kind: reply.KindMap}
		for k, item := range v {
			r.Items = append(r.Items, replyOf(k), replyOf(item))
		}
		return r
	}
	return reply.Error(fmt.Sprintf("%T", v))
}

// errorKind is an error without what differs from one time to the next.
func errorKind(err error) string {
	var network *net.OpError
	var refused redis.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &refused):
		first, _, _ := strings.Cut(refused.Error(), " ")
		return first
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error()
	}
	return err.Error()
}
