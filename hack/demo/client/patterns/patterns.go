// Package patterns is what an application does with a key-value database: a
// session store, refresh tokens, a login rate limiter, data retention and an
// audit trail. Each function runs its pattern and checks every answer.
package patterns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Pattern is one of the five, with the words that report it.
type Pattern struct {
	Name string
	Run  func(context.Context, *redis.Client) error
}

// All of them, in the order of the documentation.
var All = []Pattern{
	{"session store", Sessions},
	{"refresh tokens", RefreshTokens},
	{"login limiter", LoginLimiter},
	{"retention", Retention},
	{"audit", Audit},
}

// identifier makes an unguessable name: 64 lower-case hex digits, never user input.
func identifier() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails; it would stop the program
	return hex.EncodeToString(b)
}

// setEx is SETEX and not SET with EX, because the patterns are written with it.
func setEx(ctx context.Context, db *redis.Client, key, value string, ttl time.Duration) error {
	return db.SetEx(ctx, key, value, ttl).Err() //nolint:staticcheck // see above
}

// check says that a reply was not the expected one.
func check[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

// first is the first error among a step's checks.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
