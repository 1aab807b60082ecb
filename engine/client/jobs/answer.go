package jobs

import "encoding/json"

// answer is what a server may say to a request; each command has some of it.
type answer struct {
	ReqID *uint64 `json:"reqId,string"`
	OK    bool    `json:"ok"`
	Error string  `json:"error"`
	Code  string  `json:"code"`

	ID       uint64          `json:"id"`
	IDs      []uint64        `json:"ids"`
	ParentID uint64          `json:"parent_id"`
	Children []uint64        `json:"children_ids"`
	Job      *Job            `json:"job"`
	Jobs     []*Job          `json:"jobs"`
	State    State           `json:"state"`
	Result   json.RawMessage `json:"result"`
	Count    int             `json:"count"`
	Total    int             `json:"total"`
	Paused   bool            `json:"paused"`
	Progress *Progress       `json:"progress"`
	Logs     []LogEntry      `json:"logs"`
	Queues   []QueueInfo     `json:"queues"`
	Crons    []Cron          `json:"crons"`
	Errors   []refusal       `json:"errors"` // of a batch
	Counts
}

// refusal is why one job of a batch was refused.
type refusal struct {
	Index int    `json:"index"`
	Code  string `json:"code"`
	Error string `json:"error"`
}

// refusals of a batch of n, one for each; nil for what was carried out.
func (a *answer) refusals(n int) []*Error {
	list := make([]*Error, n)
	for _, r := range a.Errors {
		if r.Index >= 0 && r.Index < n {
			list[r.Index] = &Error{Code: r.Code, Message: r.Error}
		}
	}
	return list
}

func (a *answer) err() error {
	if a.OK {
		return nil
	}
	return &Error{Code: a.Code, Message: a.Error}
}
