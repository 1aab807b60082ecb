package patterns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const sessionTTL = 24 * time.Hour

// Sessions keeps sessions with sliding expiry and destroys all of a user's.
func Sessions(ctx context.Context, db *redis.Client) error {
	user := identifier()
	index := "user:" + user + ":sessions"
	var ids []string
	for range 3 {
		id := identifier()
		if err := createSession(ctx, db, index, id, user); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := slide(ctx, db, "session:"+ids[0]); err != nil {
		return err
	}
	return destroyAllSessions(ctx, db, index, ids)
}

func createSession(ctx context.Context, db *redis.Client, index, id, user string) error {
	if err := setEx(ctx, db, "session:"+id, user, sessionTTL); err != nil {
		return fmt.Errorf("SETEX: %w", err)
	}
	added, err := db.SAdd(ctx, index, id).Result()
	if err != nil {
		return fmt.Errorf("SADD: %w", err)
	}
	got, err := db.Get(ctx, "session:"+id).Result()
	if err != nil {
		return fmt.Errorf("GET: %w", err)
	}
	return first(check("SADD", added, 1), check("GET of a new session", got, user))
}

// slide shortens a session's time to live and lets an access push it out again.
func slide(ctx context.Context, db *redis.Client, key string) error {
	if err := db.Expire(ctx, key, time.Minute).Err(); err != nil {
		return fmt.Errorf("EXPIRE: %w", err)
	}
	before, err := db.TTL(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("TTL: %w", err)
	}
	moved, err := db.Expire(ctx, key, sessionTTL).Result()
	if err != nil {
		return fmt.Errorf("EXPIRE: %w", err)
	}
	after, err := db.TTL(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("TTL: %w", err)
	}
	return first(check("EXPIRE", moved, true),
		check("TTL at most a minute before the access", before <= time.Minute && before > 0, true),
		check("TTL near a day after the access", after > sessionTTL-time.Minute && after <= sessionTTL, true))
}

func destroyAllSessions(ctx context.Context, db *redis.Client, index string, ids []string) error {
	members, err := db.SMembers(ctx, index).Result()
	if err != nil {
		return fmt.Errorf("SMEMBERS: %w", err)
	}
	keys := make([]string, 0, len(members))
	for _, m := range members {
		keys = append(keys, "session:"+m)
	}
	if err := check("the user's sessions", len(keys), len(ids)); err != nil {
		return err
	}
	gone, err := db.Del(ctx, keys...).Result()
	if err != nil {
		return fmt.Errorf("DEL: %w", err)
	}
	if err := db.Del(ctx, index).Err(); err != nil {
		return fmt.Errorf("DEL: %w", err)
	}
	for _, id := range ids {
		if err := db.Get(ctx, "session:"+id).Err(); !errors.Is(err, redis.Nil) {
			return fmt.Errorf("a destroyed session is still there (or: %w)", err)
		}
	}
	return check("DEL of all sessions", gone, int64(len(ids)))
}
