package patterns

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Retention scans for keys without an expiry and gives them one.
func Retention(ctx context.Context, db *redis.Client) error {
	const total, maxAge = 250, 365 * 24 * time.Hour
	prefix := "user:" + identifier() + ":"
	pipe := db.Pipeline()
	for i := range total {
		// Every fifth has an expiry already, which must stay.
		var ttl time.Duration
		if i%5 == 0 {
			ttl = time.Hour
		}
		pipe.Set(ctx, prefix+strconv.Itoa(i), i, ttl)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("pipeline of SET: %w", err)
	}
	seen, changed, err := cleanOldData(ctx, db, prefix+"*", maxAge)
	if err != nil {
		return err
	}
	short, err := db.TTL(ctx, prefix+"0").Result()
	if err != nil {
		return fmt.Errorf("TTL: %w", err)
	}
	long, err := db.TTL(ctx, prefix+"1").Result()
	if err != nil {
		return fmt.Errorf("TTL: %w", err)
	}
	keys := make([]string, 0, len(seen))
	for k := range seen {
		keys = append(keys, k)
	}
	gone, err := db.Unlink(ctx, keys...).Result()
	if err != nil {
		return fmt.Errorf("UNLINK: %w", err)
	}
	return first(check("keys found by SCAN", len(seen), total), check("keys given an expiry", changed, total-total/5),
		check("an expiry that was there stays", short <= time.Hour && short > 0, true),
		check("the new expiry", long > maxAge-time.Minute && long <= maxAge, true),
		check("UNLINK", gone, total))
}

// cleanOldData is the scan loop. SCAN may return a key twice, so keys are a set.
func cleanOldData(ctx context.Context, db *redis.Client, pattern string, maxAge time.Duration) (seen map[string]bool, changed int, err error) {
	seen = map[string]bool{}
	for cursor := uint64(0); ; {
		keys, next, err := db.Scan(ctx, cursor, pattern, 100).Result()
		if err != nil {
			return nil, 0, fmt.Errorf("SCAN: %w", err)
		}
		for _, k := range keys {
			seen[k] = true
			ttl, err := db.TTL(ctx, k).Result()
			if err != nil {
				return nil, 0, fmt.Errorf("TTL: %w", err)
			}
			if ttl == -1 {
				if err := db.Expire(ctx, k, maxAge).Err(); err != nil {
					return nil, 0, fmt.Errorf("EXPIRE: %w", err)
				}
				changed++
			}
		}
		if cursor = next; cursor == 0 {
			return seen, changed, nil
		}
	}
}

// Audit appends to a bounded stream and reads the newest entries back.
func Audit(ctx context.Context, db *redis.Client) error {
	const stream, newest = "audit:log", 10
	type event struct{ Action, User, Timestamp string }
	user := identifier()
	var ids []string
	for i := range 2 * newest {
		entry, err := json.Marshal(event{"user.login." + strconv.Itoa(i), user, time.Now().UTC().Format(time.RFC3339Nano)})
		if err != nil {
			return fmt.Errorf("encoding an entry: %w", err)
		}
		id, err := db.XAdd(ctx, &redis.XAddArgs{Stream: stream, MaxLen: 100000, Approx: true, Values: []any{"data", entry}}).Result()
		if err != nil {
			return fmt.Errorf("XADD: %w", err)
		}
		ids = append(ids, id)
	}
	// Others may write to the log at the same time: ours come newest first.
	entries, err := db.XRevRangeN(ctx, stream, ids[len(ids)-1], "-", newest).Result()
	if err != nil {
		return fmt.Errorf("XREVRANGE: %w", err)
	}
	if err := check("entries read back", len(entries), newest); err != nil {
		return err
	}
	for at, e := range entries {
		var got event
		data, _ := e.Values["data"].(string)
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			return fmt.Errorf("an entry of the audit log does not decode: %w", err)
		}
		if got.User != user {
			continue
		}
		if at == 0 {
			if err := check("the newest entry", e.ID, ids[len(ids)-1]); err != nil {
				return err
			}
		}
	}
	return nil
}
