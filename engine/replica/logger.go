package replica

import (
	"fmt"
	"log/slog"
)

// logger passes raft's messages on. What raft calls information is detail here.
type logger struct{ *slog.Logger }

func (l logger) Debug(v ...any)                   { l.Logger.Debug("raft: " + fmt.Sprint(v...)) }
func (l logger) Debugf(format string, v ...any)   { l.Logger.Debug("raft: " + fmt.Sprintf(format, v...)) }
func (l logger) Info(v ...any)                    { l.Debug(v...) }
func (l logger) Infof(format string, v ...any)    { l.Debugf(format, v...) }
func (l logger) Warning(v ...any)                 { l.Warn("raft: " + fmt.Sprint(v...)) }
func (l logger) Warningf(format string, v ...any) { l.Warn("raft: " + fmt.Sprintf(format, v...)) }
func (l logger) Error(v ...any)                   { l.Logger.Error("raft: " + fmt.Sprint(v...)) }
func (l logger) Errorf(format string, v ...any)   { l.Logger.Error("raft: " + fmt.Sprintf(format, v...)) }

// Fatal and Panic are what raft calls when its invariants are broken: nothing
// may be acknowledged after that.
func (l logger) Fatal(v ...any)                 { panic("raft: " + fmt.Sprint(v...)) }
func (l logger) Fatalf(format string, v ...any) { panic("raft: " + fmt.Sprintf(format, v...)) }
func (l logger) Panic(v ...any)                 { panic("raft: " + fmt.Sprint(v...)) }
func (l logger) Panicf(format string, v ...any) { panic("raft: " + fmt.Sprintf(format, v...)) }
