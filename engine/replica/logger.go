package replica

import (
	"context"
	"fmt"
	"log/slog"
)

// logger passes raft's messages on. What raft calls information is detail
// here. Nothing is formatted that nobody reads: raft tells a lot.
type logger struct{ *slog.Logger }

func (l logger) log(level slog.Level, text func() string) {
	if l.Enabled(context.Background(), level) {
		l.Log(context.Background(), level, "raft: "+text())
	}
}

func (l logger) print(level slog.Level, v []any) {
	l.log(level, func() string { return fmt.Sprint(v...) })
}

func (l logger) printf(level slog.Level, format string, v []any) {
	l.log(level, func() string { return fmt.Sprintf(format, v...) })
}

func (l logger) Debug(v ...any)                   { l.print(slog.LevelDebug, v) }
func (l logger) Debugf(format string, v ...any)   { l.printf(slog.LevelDebug, format, v) }
func (l logger) Info(v ...any)                    { l.print(slog.LevelDebug, v) }
func (l logger) Infof(format string, v ...any)    { l.printf(slog.LevelDebug, format, v) }
func (l logger) Warning(v ...any)                 { l.print(slog.LevelWarn, v) }
func (l logger) Warningf(format string, v ...any) { l.printf(slog.LevelWarn, format, v) }
func (l logger) Error(v ...any)                   { l.print(slog.LevelError, v) }
func (l logger) Errorf(format string, v ...any)   { l.printf(slog.LevelError, format, v) }

// Fatal and Panic are what raft calls when its invariants are broken: nothing
// may be acknowledged after that.
func (l logger) Fatal(v ...any)                 { panic("raft: " + fmt.Sprint(v...)) }
func (l logger) Fatalf(format string, v ...any) { panic("raft: " + fmt.Sprintf(format, v...)) }
func (l logger) Panic(v ...any)                 { panic("raft: " + fmt.Sprint(v...)) }
func (l logger) Panicf(format string, v ...any) { panic("raft: " + fmt.Sprintf(format, v...)) }
