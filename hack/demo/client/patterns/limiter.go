package patterns

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	attempts      = 5
	attemptWindow = 15 * time.Minute
	lockThreshold = 10
	lockWindow    = time.Hour
)

// LoginLimiter refuses the sixth attempt from an address and locks an account
// after ten failures.
func LoginLimiter(ctx context.Context, db *redis.Client) error {
	address, user := identifier(), identifier()
	for i := range attempts + 2 {
		n, err := count(ctx, db, "ratelimit:login:"+address, attemptWindow)
		if err != nil {
			return err
		}
		if err := check("attempt allowed", n <= attempts, i < attempts); err != nil {
			return err
		}
	}
	for i := range lockThreshold {
		n, err := count(ctx, db, "failed:login:"+user, lockWindow)
		if err != nil {
			return err
		}
		if n >= lockThreshold {
			if err := setEx(ctx, db, "locked:"+user, "1", lockWindow); err != nil {
				return fmt.Errorf("SETEX: %w", err)
			}
		}
		locked, err := db.Exists(ctx, "locked:"+user).Result()
		if err != nil {
			return fmt.Errorf("EXISTS: %w", err)
		}
		if err := check("account locked", locked == 1, i == lockThreshold-1); err != nil {
			return err
		}
	}
	gone, err := db.Del(ctx, "failed:login:"+user, "locked:"+user, "ratelimit:login:"+address).Result()
	if err != nil {
		return fmt.Errorf("DEL: %w", err)
	}
	return check("keys cleared", gone, 3)
}

// count is the fixed window of the pattern: INCR, and EXPIRE by whoever came first.
func count(ctx context.Context, db *redis.Client, key string, window time.Duration) (int64, error) {
	n, err := db.Incr(ctx, key).Result()
	if err != nil {
		return 0, fmt.Errorf("INCR: %w", err)
	}
	if n == 1 {
		if err := db.Expire(ctx, key, window).Err(); err != nil {
			return 0, fmt.Errorf("EXPIRE: %w", err)
		}
	}
	ttl, err := db.TTL(ctx, key).Result()
	if err != nil {
		return 0, fmt.Errorf("TTL: %w", err)
	}
	return n, check("a window that ends", ttl > 0 && ttl <= window, true)
}
