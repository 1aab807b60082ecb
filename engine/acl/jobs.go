package acl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/glob"
)

// MaxJobRules is how many rules for jobs a user may have.
const MaxJobRules = 64

// JobRule allows operations on the queues that a pattern matches; v3.
type JobRule struct {
	// Queues are glob patterns; "*" is every queue.
	Queues []string `json:"queues"`
	// Operations are names as OperationNames lists them; "*" is every operation.
	Operations []string `json:"operations"`
}

// Operation is what a command does with a queue's jobs.
type Operation uint16

// The operations.
const (
	JobPush       Operation = 1 << iota // push, batch, flow
	JobPull                             // pull, heartbeat, renew
	JobAck                              // acknowledge
	JobFail                             // fail
	JobProgress                         // progress, logs, partial results
	JobRead                             // jobs, states, results, lists, counts, waiting for one, events
	JobCancel                           // cancel
	JobUpdate                           // data, priority, delay, promote, discard
	JobDeadLetter                       // retry and purge dead letters
	JobSchedule                         // crons
	JobManage                           // pause, resume, drain, obliterate, clean, limits
	JobErase                            // remove data from jobs in every state
	JobDecrypt                          // see encrypted fields in clear

	everyOperation = 1<<iota - 1
)

var operationNames = []string{
	"Push", "Pull", "Ack", "Fail", "Progress", "Read", "Cancel", "Update", "DeadLetter", "Schedule", "Manage", "Erase", "Decrypt",
}

// AnyOperation is the name of all operations together.
const AnyOperation = "*"

// Operations of the roles that most users of queues need.
var (
	// JobProducer hands jobs in and sees what becomes of them.
	JobProducer = []string{"Push", "Read", "Cancel"}
	// JobWorker carries jobs out.
	JobWorker = []string{"Pull", "Ack", "Fail", "Progress", "Read"}
	// JobAdmin may do everything.
	JobAdmin = []string{AnyOperation}
)

// OperationNames lists the operations.
func OperationNames() []string { return slices.Clone(operationNames) }

func (op Operation) String() string {
	var names []string
	for i, name := range operationNames {
		if op&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// jobRule is a JobRule, ready to be asked.
type jobRule struct {
	operations Operation
	every      bool // queue
	queues     [][]byte
}

func newJobRule(r JobRule) (rule jobRule) {
	for _, name := range r.Operations {
		if name == AnyOperation {
			rule.operations = everyOperation
		} else if i := slices.Index(operationNames, name); i >= 0 {
			rule.operations |= 1 << i
		}
	}
	for _, q := range r.Queues {
		rule.every = rule.every || q == "*"
		rule.queues = append(rule.queues, []byte(q))
	}
	return rule
}

// AllowsJob says whether the identity may do op with a queue's jobs; if not,
// why.
func (id *Identity) AllowsJob(op Operation, queue string) *Denied {
	for i := range id.jobs {
		r := &id.jobs[i]
		if r.operations&op == op && r.matches(queue) {
			return nil
		}
	}
	return &Denied{Operation: op, Queue: queue, Source: id.source}
}

func (r *jobRule) matches(queue string) bool {
	return r.every || slices.ContainsFunc(r.queues, func(p []byte) bool { return glob.Match(p, []byte(queue)) })
}

// validate says what is wrong with a rule.
func (r JobRule) validate() error {
	if len(r.Queues) == 0 || len(r.Queues) > MaxPatterns {
		return fmt.Errorf("queues: %d patterns, must be from 1 to %d (\"*\" is every queue)", len(r.Queues), MaxPatterns)
	}
	for _, q := range r.Queues {
		if err := ValidatePattern(q); err != nil {
			return fmt.Errorf("queues: %w", err)
		}
	}
	if len(r.Operations) == 0 || len(r.Operations) > len(operationNames)+1 {
		return fmt.Errorf("operations: %d, must be from 1 to %d", len(r.Operations), len(operationNames)+1)
	}
	for _, name := range r.Operations {
		if name != AnyOperation && !slices.Contains(operationNames, name) {
			return fmt.Errorf("operations: unknown operation %q, must be one of %s or %q", name, strings.Join(operationNames, ", "), AnyOperation)
		}
	}
	return nil
}

func validateJobRules(rules []JobRule) error {
	if len(rules) > MaxJobRules {
		return fmt.Errorf("jobs: %d rules, must be at most %d", len(rules), MaxJobRules)
	}
	for i, r := range rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("jobs[%d]: %w", i, err)
		}
	}
	return nil
}
