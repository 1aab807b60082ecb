package linear

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Unknown stands for the answer that never came: the command may have been
// carried out, at any time from its call on, or never.
const Unknown = "?"

// checkTime bounds the search for an order.
const checkTime = 10 * time.Second

// History is what clients saw, by key: its name begins with that of its Kind and
// a colon.
type History struct {
	Keys  []string // in the order of their first use
	byKey map[string][]porcupine.Operation
}

// Add takes a command, without its key, with the times of its call and of its
// answer.
func (h *History) Add(key string, client int, argv []string, call, back int64, answer string) {
	if h.byKey == nil {
		h.byKey = map[string][]porcupine.Operation{}
	}
	if h.byKey[key] == nil {
		h.Keys = append(h.Keys, key)
	}
	if answer == Unknown {
		back = math.MaxInt64
	}
	h.byKey[key] = append(h.byKey[key], porcupine.Operation{ClientId: client, Input: argv, Call: call, Output: answer, Return: back})
}

// Operations are those of a key.
func (h *History) Operations(key string) int { return len(h.byKey[key]) }

// Check looks for an order of a key's commands that explains all answers, each
// between its call and its answer. It may end undecided.
func (h *History) Check(key string) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(modelOf(key), h.byKey[key], checkTime)
}

func modelOf(key string) porcupine.Model {
	k := KindOf(key)
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			next, answer := k.step(state.(string), input.([]string))
			return output == Unknown || output == answer, next
		},
	}
}

// Describe lists the commands of a key as they were called. second is how many
// units of their times make one.
func (h *History) Describe(key string, second int64) string {
	operations := h.byKey[key]
	slices.SortStableFunc(operations, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range operations {
		back := "never"
		if o.Return != math.MaxInt64 {
			back = fmt.Sprintf("%.6f", float64(o.Return)/float64(second))
		}
		fmt.Fprintf(&b, "  %.6f - %s client %d: %v -> %v\n", float64(o.Call)/float64(second), back, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}

// KindOf is the kind of a key.
func KindOf(key string) Kind {
	name, _, _ := strings.Cut(key, ":")
	return All[slices.IndexFunc(All, func(k Kind) bool { return k.Name == name })]
}
