package httpapi

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/job"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Bounds of the port for jobs. Connections are bounded together with those of
// the queue protocol.
const (
	// MaxBody is how many bytes a request's body may have; MaxBodies how many the
	// bodies of all requests may have that are larger than smallBody.
	MaxBody   = wire.MaxFrame
	MaxBodies = 4 * MaxBody
	smallBody = 16 << 10
	// requestTimeout is for a request to arrive, answerTimeout for a client to
	// take an answer.
	requestTimeout = 30 * time.Second
	answerTimeout  = 30 * time.Second
)

// JobsOptions are what the port for jobs needs.
type JobsOptions struct {
	Credentials func() *credential.Snapshot
	Dispatcher  *job.Dispatcher
	Bounds      admission.Bounds // of all ports for jobs
	Audit       *audit.Log       // nil: nothing is recorded
	Log         *slog.Logger
}

// Jobs is the port for jobs: HTTP/1.1 in TLS 1.3, a bearer token with each
// request, and answers of the form {"ok":true,"data":…,"error":null}.
type Jobs struct {
	opts   JobsOptions
	mux    *http.ServeMux
	bodies *semaphore.Weighted
	server *http.Server

	stop     chan struct{} // closed when what waits is to end
	stopOnce sync.Once

	mu    sync.Mutex
	conns map[*visiting]struct{}
}

// NewJobs makes the port; Serve starts it.
func NewJobs(opts JobsOptions) *Jobs {
	j := &Jobs{opts: opts, mux: http.NewServeMux(), bodies: semaphore.NewWeighted(MaxBodies), stop: make(chan struct{}), conns: map[*visiting]struct{}{}}
	for i := range routes {
		r := &routes[i]
		if r.command == "SUBSCRIBE" {
			j.mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { j.stream(w, req, r) })
		} else {
			j.mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { j.carry(w, req, r) })
		}
	}
	j.server = &http.Server{
		Handler:           http.HandlerFunc(j.admit),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(debugWriter{opts.Log}, "", 0),
		TLSConfig:         credential.ServerTLS(opts.Credentials),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // nothing here needs HTTP/2 and its attack surface
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, visitorKey{}, visitorOf(conn))
		},
	}
	return j
}

// Serve accepts connections until Shutdown; it then returns nil.
func (j *Jobs) Serve(l net.Listener) error {
	err := j.server.ServeTLS(&gated{l, j}, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown ends what waits, lets the other requests be answered, and closes
// what is left when the context ends.
func (j *Jobs) Shutdown(ctx context.Context) error {
	j.stopOnce.Do(func() { close(j.stop) })
	if err := j.server.Shutdown(ctx); err != nil {
		return errors.Join(err, j.server.Close())
	}
	return nil
}

// Disconnect closes every connection at once, without answering what it asked:
// this member does not lead any more. New ones are let in.
func (j *Jobs) Disconnect() {
	j.mu.Lock()
	conns := slices.Collect(maps.Keys(j.conns))
	j.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// admit lets in who has a token, as often as its quota says.
func (j *Jobs) admit(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	v, _ := req.Context().Value(visitorKey{}).(*visitor)
	user, refusal := j.authenticate(v, req)
	if refusal != nil {
		refusal.write(w)
		return
	}
	if refusal := j.withinQuota(req.Context(), v, user); refusal != nil {
		refusal.write(w)
		return
	}
	_, pattern := j.mux.Handler(req)
	if pattern == "" {
		(&refused{http.StatusNotFound, job.CodeUnknown, "there is no " + printable(req.Method+" "+req.URL.Path) + "; docs/jobs.md lists what there is"}).write(w)
		return
	}
	j.mux.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), userKey{}, user)))
}

// user is who a request comes from.
type user struct {
	snapshot   *credential.Snapshot
	identity   *acl.Identity
	credential acl.Credential
	usage      *admission.Usage
}

type userKey struct{}

// authenticate finds who a token is of.
func (j *Jobs) authenticate(v *visitor, req *http.Request) (*user, *refused) {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, &refused{http.StatusUnauthorized, job.CodeDenied, "Authentication required: send Authorization: Bearer TOKEN"}
	}
	u := &user{snapshot: j.opts.Credentials()}
	now := time.Now()
	var why acl.Refusal
	u.identity, u.credential, why = u.snapshot.Users.VerifyBearer(token, now)
	if why != "" {
		j.opts.Bounds.Counters.AuthFailures.Add(1)
		delay := j.opts.Bounds.Throttle.Failed(v.Host, now)
		if j.opts.Audit.Wants(audit.Refusal) {
			e := audit.Entry{Time: now, Source: v.address, Operation: audit.Login, Denied: true, Reason: string(why)}
			if delay > 0 {
				e.Source = v.Host
				j.opts.Audit.Count(e)
			} else {
				j.opts.Audit.Add(e)
			}
		}
		time.Sleep(delay)
		return nil, &refused{http.StatusUnauthorized, job.CodeDenied, "Invalid token"}
	}
	return u, v.enter(j, u)
}

// withinQuota holds a request back whose user asks for more than it may, or
// refuses it.
func (j *Jobs) withinQuota(ctx context.Context, v *visitor, u *user) *refused {
	limit := u.identity.Quota().RequestsPerSecond
	if limit == 0 {
		return nil
	}
	wait, ok := u.usage.Take(time.Now(), limit)
	if !ok {
		u.usage.Throttled.Add(1)
		j.opts.Audit.Refused(audit.Entry{
			Identity: u.credential.User, Generation: u.credential.Generation(), Source: v.Host,
			Operation: audit.Request, Reason: "quota.requestsPerSecond",
		})
		return overQuota(u.identity, "too many requests of this user", "requestsPerSecond", limit)
	}
	if wait > 0 {
		u.usage.Held.Add(1)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// carry has a command carried out and answers with what it says.
func (j *Jobs) carry(w http.ResponseWriter, req *http.Request, r *route) {
	body, release, refusal := j.body(req, req.Context().Value(userKey{}).(*user))
	if refusal != nil {
		refusal.write(w)
		return
	}
	defer release()
	delivered := make(chan []byte, 1)
	client := j.client(req, job.ClientOptions{Deliver: func(_, answer []byte) bool { return j.deliver(req.Context(), delivered, answer) }})
	defer client.Close()
	call := client.NewCall()
	if err := r.parse(req, body, &call.Request); err != nil {
		(&refused{http.StatusBadRequest, queue.CodeInvalid, err.Error()}).write(w)
		return
	}
	call.Prepare()
	_ = j.opts.Dispatcher.Carry([]*job.Call{call}) // the answer says it
	answer := call.Answer()
	if call.Waits() {
		mayTakeLong(w)
		if answer, refusal = j.await(req, client, delivered); refusal != nil {
			refusal.write(w)
			return
		}
	}
	for j.opts.Audit.Full() && req.Context().Err() == nil {
		time.Sleep(auditPause)
	}
	writeAnswer(w, r, answer)
}

// auditPause is for how long a request waits while the audit log is full, before
// it looks again.
const auditPause = 5 * time.Millisecond

// await waits for the answer to a call, for as long as its client is there and
// its credential is accepted.
func (j *Jobs) await(req *http.Request, client *job.Client, delivered <-chan []byte) ([]byte, *refused) {
	u := req.Context().Value(userKey{}).(*user)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case answer := <-delivered:
			return answer, nil
		case <-req.Context().Done():
			return nil, &refused{http.StatusServiceUnavailable, job.CodeUnavailable, "the client is gone"}
		case <-j.stop:
			return nil, &refused{http.StatusServiceUnavailable, job.CodeUnavailable, "the engine is stopping"}
		case now := <-ticker.C:
			if !j.mayGoOn(u, client, now) {
				return nil, &refused{http.StatusUnauthorized, job.CodeDenied, "Invalid token"}
			}
		}
	}
}

// deliver hands an answer to a request that is still there, and whose credential
// is accepted still; what it does not take, the dispatcher gives to others.
func (j *Jobs) deliver(ctx context.Context, to chan []byte, answer []byte) bool {
	u := ctx.Value(userKey{}).(*user)
	if ctx.Err() != nil || !j.opts.Credentials().Users.Accepts(u.credential, time.Now()) {
		return false
	}
	select {
	case to <- answer:
		return true
	default:
		return false
	}
}

// client is the request's, for as long as it takes.
func (j *Jobs) client(req *http.Request, opts job.ClientOptions) *job.Client {
	u := req.Context().Value(userKey{}).(*user)
	opts.Source, opts.TokensOnly = req.RemoteAddr, true
	client := j.opts.Dispatcher.NewClient(opts)
	client.SetUser(u.identity, u.credential, u.usage)
	return client
}

// body reads a request's. A large one waits until there is memory for it.
func (j *Jobs) body(req *http.Request, u *user) (body []byte, release func(), refusal *refused) {
	n := req.ContentLength
	switch {
	case n < 0:
		return nil, nil, &refused{http.StatusLengthRequired, queue.CodeInvalid, "the body must come with a Content-Length"}
	case n > MaxBody:
		return nil, nil, &refused{http.StatusRequestEntityTooLarge, queue.CodeInvalid, "the body has more than " + itoa(MaxBody) + " bytes"}
	}
	if release, refusal = j.room(req.Context(), u, n); refusal != nil {
		return nil, nil, refusal
	}
	body, err := readAll(req.Body, int(n))
	if err != nil {
		release()
		return nil, nil, &refused{http.StatusBadRequest, queue.CodeInvalid, "the body is shorter than its Content-Length, or took too long"}
	}
	return body, release, nil
}

// room takes the memory of a body of n bytes, and waits for it where others have
// it: one user, however slow, has half of it at most.
func (j *Jobs) room(ctx context.Context, u *user, n int64) (release func(), refusal *refused) {
	if n <= smallBody {
		return func() {}, nil
	}
	const most = MaxBodies / 2
	leave := func() { u.usage.Bodies.Add(-n) }
	if u.usage.Bodies.Add(n) > most {
		leave()
		return nil, &refused{http.StatusTooManyRequests, job.CodeBusy, "too many large bodies of this user at once: they may have " + itoa(most) + " bytes together"}
	}
	if err := j.bodies.Acquire(ctx, n); err != nil {
		leave()
		return nil, &refused{http.StatusServiceUnavailable, job.CodeBusy, "there is no memory for the body now"}
	}
	return func() { j.bodies.Release(n); leave() }, nil
}

// mayTakeLong lets a request wait without its client being taken for gone.
func mayTakeLong(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it has arrived
}

// parse makes the request of a route.
func (r *route) parse(req *http.Request, body []byte, into *wire.Request) error {
	values := map[string]string{}
	for name, all := range req.URL.Query() {
		if _, known := fields[name]; !known && (name != "events" || r.command != "SUBSCRIBE") {
			return &wire.Error{Field: printable(name), Text: "is no parameter that there is"}
		}
		if name != "events" {
			values[name] = all[0]
		}
	}
	for _, name := range []string{"queue", "id", "name", "job_id"} {
		if v := req.PathValue(name); v != "" {
			values[name] = v
		}
	}
	if r.command == "PULLB" && values["count"] == "" {
		values["count"] = "1"
	}
	message, wrong := r.message(body, values)
	if wrong != nil {
		return wrong
	}
	if err := wire.Parse(wire.Lines, message, into); err != nil {
		return err
	}
	if r.holds && into.Lease == "" && len(into.Leases) == 0 {
		return &wire.Error{Field: "lease", Text: "is missing: write the one that the job was pulled with"}
	}
	into.Cmd, into.ReqID = r.command, nil
	return nil
}

// writeAnswer answers with what a command's answer has.
func writeAnswer(w http.ResponseWriter, r *route, answer []byte) {
	var said map[string]json.RawMessage
	if err := json.Unmarshal(answer, &said); err != nil {
		(&refused{http.StatusInternalServerError, job.CodeUnavailable, "the answer cannot be told"}).write(w)
		return
	}
	if string(said["ok"]) != "true" {
		var text, code string
		_ = json.Unmarshal(said["error"], &text) // they are strings
		_ = json.Unmarshal(said["code"], &code)
		(&refused{statusOf(code), code, text}).write(w)
		return
	}
	delete(said, "ok")
	data := said[r.data]
	if r.data == "" && len(said) > 0 {
		data, _ = json.Marshal(said) // it was JSON
	}
	if data == nil {
		data = []byte("null")
	}
	body := append(append([]byte(`{"ok":true,"data":`), data...), `,"error":null}`...)
	write(w, http.StatusOK, body)
}
