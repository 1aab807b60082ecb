package patterns

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const tokenTTL = 30 * 24 * time.Hour

// RefreshTokens stores, validates and revokes tokens, one and then all.
func RefreshTokens(ctx context.Context, db *redis.Client) error {
	user := identifier()
	index := "user:" + user + ":tokens"
	var tokens []string
	for range 3 {
		token := identifier()
		if err := storeToken(ctx, db, index, token, user); err != nil {
			return err
		}
		tokens = append(tokens, token)
	}
	owner, err := db.Get(ctx, "refresh:"+tokens[0]).Result()
	if err != nil {
		return fmt.Errorf("GET: %w", err)
	}
	if err := check("owner of a token", owner, user); err != nil {
		return err
	}
	if err := revokeToken(ctx, db, index, tokens[0]); err != nil {
		return err
	}
	return revokeAllTokens(ctx, db, index, tokens)
}

func storeToken(ctx context.Context, db *redis.Client, index, token, user string) error {
	pipe := db.Pipeline()
	stored := pipe.SetEx(ctx, "refresh:"+token, user, tokenTTL)
	added := pipe.SAdd(ctx, index, token)
	expires := pipe.Expire(ctx, index, tokenTTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("pipeline of SETEX, SADD, EXPIRE: %w", err)
	}
	return first(check("SETEX", stored.Val(), "OK"), check("SADD", added.Val(), 1), check("EXPIRE", expires.Val(), true))
}

func revokeToken(ctx context.Context, db *redis.Client, index, token string) error {
	pipe := db.Pipeline()
	gone := pipe.Del(ctx, "refresh:"+token)
	removed := pipe.SRem(ctx, index, token)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("pipeline of DEL, SREM: %w", err)
	}
	left, err := db.Exists(ctx, "refresh:"+token).Result()
	if err != nil {
		return fmt.Errorf("EXISTS: %w", err)
	}
	return first(check("DEL", gone.Val(), 1), check("SREM", removed.Val(), 1), check("EXISTS of a revoked token", left, 0))
}

func revokeAllTokens(ctx context.Context, db *redis.Client, index string, tokens []string) error {
	members, err := db.SMembers(ctx, index).Result()
	if err != nil {
		return fmt.Errorf("SMEMBERS: %w", err)
	}
	if err := check("tokens left", len(members), len(tokens)-1); err != nil {
		return err
	}
	pipe := db.Pipeline()
	for _, m := range members {
		pipe.Del(ctx, "refresh:"+m)
	}
	pipe.Del(ctx, index)
	cmds, err := pipe.Exec(ctx)
	if err != nil {
		return fmt.Errorf("pipeline of DEL: %w", err)
	}
	for _, c := range cmds {
		if err := check("DEL in revoke-all", c.(*redis.IntCmd).Val(), 1); err != nil {
			return err
		}
	}
	keys := []string{index}
	for _, t := range tokens {
		keys = append(keys, "refresh:"+t)
	}
	left, err := db.Exists(ctx, keys...).Result()
	if err != nil {
		return fmt.Errorf("EXISTS: %w", err)
	}
	return check("keys left after revoke-all", left, 0)
}
