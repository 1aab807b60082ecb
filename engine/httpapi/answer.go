package httpapi

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/job"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// refused is why a request is not carried out.
type refused struct {
	status     int
	code, text string
}

func (r *refused) write(w http.ResponseWriter) {
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="coffer jobs"`)
	}
	body := wire.AppendString([]byte(`{"ok":false,"data":null,"error":`), r.text)
	body = wire.AppendString(append(body, `,"code":`...), r.code)
	write(w, r.status, append(body, '}'))
}

// write answers; the client has answerTimeout to take it.
func write(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has gone is not told
}

// statusOf is the status for the code of a command's error.
func statusOf(code string) int {
	switch code {
	case job.CodeDenied:
		return http.StatusForbidden
	case queue.CodeNotFound, job.CodeUnknown:
		return http.StatusNotFound
	case queue.CodeConflict, queue.CodeLease, queue.CodeClosed:
		return http.StatusConflict
	case queue.CodeFull, job.CodeBusy:
		return http.StatusTooManyRequests
	case job.CodeUnavailable:
		return http.StatusServiceUnavailable
	case job.CodeTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusBadRequest
}

func overQuota(id *acl.Identity, text, field string, limit int) *refused {
	return &refused{http.StatusTooManyRequests, job.CodeBusy, admission.OverQuota(id, text, field, limit)}
}

// readAll reads exactly n bytes. What it allocates follows what has arrived.
func readAll(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, 0, min(n, smallBody))
	for len(b) < n {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(n, 4*cap(b))), b...)
		}
		got, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+got]
		if err != nil && len(b) < n {
			return nil, err
		}
	}
	return b, nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// printable makes a text of a client's fit for an answer.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 100)]
}
