package httpapi

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

const (
	// maxUnsent is how many events wait for a client that takes them slowly;
	// those beyond are missed, and it is told how many.
	maxUnsent = 256
	// maxUnsentBytes is how many bytes they have at most, but for the last one.
	maxUnsentBytes = 1 << 20
	// beat is how often a stream is looked at: may it go on?
	beat = time.Second
	// keepAlive is how often something is sent where nothing happens.
	keepAlive = 15
)

// stream tells what happens to jobs, as server-sent events, until the client
// goes or its credential is not accepted any more.
func (j *Jobs) stream(w http.ResponseWriter, req *http.Request, r *route) {
	unsent := &events{queue: make(chan []byte, maxUnsent)}
	client := j.client(req, job.ClientOptions{
		Deliver: func(_, _ []byte) bool { return false },
		Offer:   func(_, event []byte) bool { return unsent.offer(event) },
	})
	defer client.Close()
	call := client.NewCall()
	if err := r.parse(req, nil, &call.Request); err != nil {
		(&refused{http.StatusBadRequest, queue.CodeInvalid, err.Error()}).write(w)
		return
	}
	if names := req.URL.Query().Get("events"); names != "" {
		call.Events = strings.Split(names, ",")
	}
	call.Prepare()
	_ = j.opts.Dispatcher.Carry([]*job.Call{call}) // the answer says it
	if !bytes.HasPrefix(call.Answer(), []byte(`{"ok":true`)) {
		writeAnswer(w, r, call.Answer())
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	s := &stream{ResponseController: http.NewResponseController(w), w: w}
	mayTakeLong(w)
	if s.send(": the stream begins\n\n") == nil {
		j.tell(req, client, s, unsent)
	}
}

// tell sends events for as long as the stream may go on.
func (j *Jobs) tell(req *http.Request, client *job.Client, s *stream, unsent *events) {
	u := req.Context().Value(userKey{}).(*user)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	quiet := 0
	for {
		var text string
		select {
		case <-req.Context().Done():
			return
		case <-j.stop:
			return
		case event := <-unsent.queue:
			unsent.bytes.Add(-int64(len(event)))
			text, quiet = sse(event), 0
		case now := <-ticker.C:
			if !j.mayGoOn(u, client, now) {
				return
			}
			if quiet++; quiet%keepAlive != 0 {
				continue
			}
			text = ": \n\n"
		}
		if s.send(text) != nil {
			return
		}
	}
}

// events are those that wait for a client to take them.
type events struct {
	queue chan []byte
	bytes atomic.Int64
}

// offer takes one if there is room for it.
func (e *events) offer(event []byte) bool {
	if e.bytes.Load() >= maxUnsentBytes {
		return false
	}
	select {
	case e.queue <- event:
		e.bytes.Add(int64(len(event)))
		return true
	default:
		return false
	}
}

// mayGoOn takes up the permissions in force, and says whether the user is one
// still.
func (j *Jobs) mayGoOn(u *user, client *job.Client, now time.Time) bool {
	if current := j.opts.Credentials(); current != u.snapshot {
		if !current.Users.Accepts(u.credential, now) {
			return false
		}
		u.snapshot, u.identity = current, current.Users.Identity(u.credential.User)
		client.SetUser(u.identity, u.credential, u.usage)
	}
	return !u.identity.ExpiredAt(now)
}

// stream is a response that goes on.
type stream struct {
	*http.ResponseController
	w http.ResponseWriter
}

func (s *stream) send(text string) error {
	if err := s.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.Flush()
}

// sse makes a server-sent event of an event of the queue protocol,
// {"event":{"event_type":"completed",…}}.
func sse(event []byte) string {
	const head = `{"event":`
	inner := strings.TrimSuffix(strings.TrimPrefix(string(event), head), "}")
	_, rest, _ := strings.Cut(inner, `"event_type":"`)
	name, _, _ := strings.Cut(rest, `"`)
	// Data of clients may have line ends between its values; elsewhere JSON has none.
	return "event: " + name + "\ndata: " + strings.NewReplacer("\n", " ", "\r", " ").Replace(inner) + "\n\n"
}
