package command

import (
	"bytes"

	"github.com/coffer-dev/coffer/engine/reply"
)

// Tracker is what a session offers to those commands by which a client keeps what
// it reads, and is told when that changes.
type Tracker interface {
	// Track has changes told from now on. An error's text is the reply's.
	Track(o TrackingOptions) error
	Untrack()
	// StandsIn tells whether there is a connection with that ID that may be told in
	// the place of the session: one of the same user, since others have not asked
	// for what is pushed to them.
	StandsIn(id int64) bool
	// Caching has the next command, or transaction, count other than the mode of the
	// connection has it: what it reads is kept with OptIn, and is not with OptOut.
	Caching()
	Tracking() TrackingInfo
}

// TrackingOptions are CLIENT TRACKING's.
type TrackingOptions struct {
	Redirect int64    // the connection that is told; 0 for the one itself
	Prefixes [][]byte // of keys; with Broadcast alone
	// Broadcast has all changes told of keys with one of the prefixes, rather than
	// those of keys that were read.
	Broadcast bool
	OptIn     bool // only what is read behind CLIENT CACHING YES counts
	OptOut    bool // all but that behind CLIENT CACHING NO
	NoLoop    bool // the connection's own changes are not told
}

// TrackingInfo is what is told to a connection.
type TrackingInfo struct {
	TrackingOptions // the prefixes in the order of their bytes
	On              bool
	Caching         bool // was said
	Broken          bool // who is told in its place is gone
}

const (
	errOneRedirect    = textError("ERR A client can only redirect to a single other client")
	errNoRedirect     = textError("ERR The client ID you want redirect to does not exist")
	errPrefixMode     = textError("ERR PREFIX option requires BCAST mode to be enabled")
	errSwitchMode     = textError("ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.")
	errOptBroadcast   = textError("ERR OPTIN and OPTOUT are not compatible with BCAST")
	errBothOpts       = textError("ERR You can't specify both OPTIN mode and OPTOUT mode")
	errSwitchOpt      = textError("ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.")
	errCachingOff     = textError("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	errCachingYes     = textError("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
	errCachingNo      = textError("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
	errOverlap        = "ERR Prefix '%s' overlaps with an existing prefix '%s'. Prefixes for a single client must not overlap."
	errOverlapOfGiven = "ERR Prefix '%s' overlaps with another provided prefix '%s'. Prefixes for a single client must not overlap."
	errTrackReplica   = textError("ERR CLIENT TRACKING is for connections to the member that leads (port 6379): this port tells of no changes")
)

func trackingCommands() []*Command {
	flags, categories := NoScript|Loading|Stale, "slow connection"
	return []*Command{
		connection("client|tracking", -3, flags, categories, clientTracking),
		connection("client|caching", 3, flags, categories, clientCaching),
		connection("client|getredir", 2, flags, categories, clientGetredir),
		connection("client|trackinginfo", 2, flags, categories, clientTrackingInfo),
	}
}

func clientTracking(s Session, argv [][]byte) reply.Reply {
	o, err := parseTracking(s, argv[3:])
	if err != nil {
		return fail(err)
	}
	switch {
	case is(argv[2], "ON"):
		if s.Replica() {
			return fail(errTrackReplica)
		}
		if err = o.judge(s.Tracker().Tracking()); err == nil {
			err = s.Tracker().Track(o)
		}
	case is(argv[2], "OFF"):
		s.Tracker().Untrack()
	default:
		err = errSyntax
	}
	if err != nil {
		return fail(err)
	}
	return reply.OK
}

func parseTracking(s Session, args [][]byte) (o TrackingOptions, err error) {
	for i := 0; i < len(args); i++ {
		more := i+1 < len(args)
		switch arg := args[i]; {
		case is(arg, "REDIRECT") && more:
			i++
			if o.Redirect != 0 {
				return o, errOneRedirect
			}
			if o.Redirect, err = integer(args[i]); err != nil {
				return o, err
			}
			if !s.Tracker().StandsIn(o.Redirect) {
				return o, errNoRedirect
			}
		case is(arg, "BCAST"):
			o.Broadcast = true
		case is(arg, "OPTIN"):
			o.OptIn = true
		case is(arg, "OPTOUT"):
			o.OptOut = true
		case is(arg, "NOLOOP"):
			o.NoLoop = true
		case is(arg, "PREFIX") && more:
			i++
			o.Prefixes = append(o.Prefixes, args[i])
		default:
			return o, errSyntax
		}
	}
	return o, nil
}

// judge says what is wrong with options, for a connection that has others now.
func (o *TrackingOptions) judge(now TrackingInfo) error {
	switch {
	case !o.Broadcast && len(o.Prefixes) > 0:
		return errPrefixMode
	case now.On && now.Broadcast != o.Broadcast:
		return errSwitchMode
	case o.Broadcast && (o.OptIn || o.OptOut):
		return errOptBroadcast
	case o.OptIn && o.OptOut:
		return errBothOpts
	case o.OptIn && now.OptOut || o.OptOut && now.OptIn:
		return errSwitchOpt
	}
	return o.overlapping(now.Prefixes)
}

// overlapping refuses prefixes of which one begins with another.
func (o *TrackingOptions) overlapping(existing [][]byte) error {
	for i, prefix := range o.Prefixes {
		for _, other := range existing {
			if overlap(prefix, other) {
				return errorf(errOverlap, cstring(prefix), cstring(other))
			}
		}
		for _, other := range o.Prefixes[i+1:] {
			if overlap(prefix, other) {
				return errorf(errOverlapOfGiven, cstring(prefix), cstring(other))
			}
		}
	}
	return nil
}

func overlap(a, b []byte) bool { return bytes.HasPrefix(a, b) || bytes.HasPrefix(b, a) }

func clientCaching(s Session, argv [][]byte) reply.Reply {
	now, yes := s.Tracker().Tracking(), is(argv[2], "YES")
	switch {
	case !now.On:
		return fail(errCachingOff)
	case !yes && !is(argv[2], "NO"):
		return fail(errSyntax)
	case yes && !now.OptIn:
		return fail(errCachingYes)
	case !yes && !now.OptOut:
		return fail(errCachingNo)
	}
	s.Tracker().Caching()
	return reply.OK
}

func clientGetredir(s Session, _ [][]byte) reply.Reply { return redirect(s.Tracker().Tracking()) }

func redirect(now TrackingInfo) reply.Reply {
	if !now.On {
		return reply.Integer(-1)
	}
	return reply.Integer(now.Redirect)
}

func clientTrackingInfo(s Session, _ [][]byte) reply.Reply {
	now := s.Tracker().Tracking()
	var flags, prefixes []reply.Reply
	for _, f := range []struct {
		is   bool
		name string
	}{
		{!now.On, "off"}, {now.On, "on"}, {now.Broadcast, "bcast"},
		{now.OptIn, "optin"}, {now.OptIn && now.Caching, "caching-yes"},
		{now.OptOut, "optout"}, {now.OptOut && now.Caching, "caching-no"},
		{now.NoLoop, "noloop"}, {now.Broken, "broken_redirect"},
	} {
		if f.is {
			flags = append(flags, reply.BulkString(f.name))
		}
	}
	for _, prefix := range now.Prefixes {
		prefixes = append(prefixes, reply.Bulk(prefix))
	}
	return reply.Map(
		reply.BulkString("flags"), reply.Set(flags...),
		reply.BulkString("redirect"), redirect(now),
		reply.BulkString("prefixes"), reply.Array(prefixes...),
	)
}

// Tracked reports whether a client may keep what the command answers: it reads, or
// runs a script that may.
func (c *Command) Tracked() bool {
	return c.Flags&ReadOnly != 0 && c.Flags&PubSub == 0 || c.runsScript()
}
