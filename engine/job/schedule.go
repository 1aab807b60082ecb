package job

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/acl"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// scheduleCommands are about jobs that are pushed again and again.
var scheduleCommands = []command{
	{name: "CRON", operation: acl.JobSchedule, byQueue: true, changes: true, make: makeCron, answer: func(c *Call, dst []byte) []byte {
		return appendNumber(dst, "next_run", c.op.(*queue.SetSchedule).Next)
	}},
	{name: "CRONDELETE", operation: acl.JobSchedule, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldName) {
			return nil, missing("name")
		}
		return &queue.DeleteSchedule{Name: c.Name}, nil
	}},
	{name: "CRONLIST", make: func(*Call) (queue.Op, *queue.Error) { return &queue.ListSchedules{}, nil }, answer: answerCrons},
}

// wireName is how requests call a field of an operation.
func wireName(op queue.Op, field string) string {
	if _, ok := op.(*queue.SetSchedule); ok {
		switch field {
		case "cron":
			return "schedule"
		case "timeZone":
			return "timezone"
		case "everyMilliseconds":
			return "repeat_every"
		}
	}
	return field
}

func makeCron(c *Call) (queue.Op, *queue.Error) {
	switch {
	case !c.Set.Has(wire.FieldName):
		return nil, missing("name")
	case c.Schedule == "" && c.RepeatEvery == 0:
		return nil, invalid("schedule", "is missing: give it as in \"0 */5 * * * *\", or repeat_every in ms")
	case c.Schedule != "" && c.RepeatEvery != 0:
		return nil, invalid("repeat_every", "give either it or schedule")
	}
	priority, err := small("priority", c.Priority, -1<<31)
	if err != nil {
		return nil, err
	}
	return &queue.SetSchedule{Schedule: queue.Schedule{
		Name: c.Name, Queue: c.Queue, Cron: c.Schedule, TimeZone: c.TimeZone, Every: c.RepeatEvery, Data: c.Data,
		Priority: priority, Limit: c.Limit,
	}}, nil
}

// answerCrons lists those on whose queue the user may schedule or read.
func answerCrons(c *Call, dst []byte) []byte {
	dst = append(dst, `,"crons":[`...)
	n, left := 0, 0
	for _, s := range c.op.(*queue.ListSchedules).Result {
		if !c.mayRead(s.Queue) && c.identity.AllowsJob(acl.JobSchedule, s.Queue) != nil {
			continue
		}
		if n > 0 && len(dst)+2*len(s.Data) > wire.MaxFrame-1<<16 {
			left++
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		n++
		dst = wire.AppendString(append(dst, `{"name":`...), s.Name)
		dst = appendJSON(appendText(dst, "queue", s.Queue), "data", c.client.opened(string(s.Data)))
		if s.Cron != "" {
			dst = append(appendText(dst, "schedule", s.Cron), `,"repeat_every":null`...)
		} else {
			dst = appendNumber(append(dst, `,"schedule":null`...), "repeat_every", s.Every)
		}
		dst = appendTexts(dst, [][2]string{{"timezone", s.TimeZone}})
		dst = appendNumber(dst, "priority", int64(s.Priority))
		dst = strconv.AppendInt(appendName(dst, "next_run"), s.Next, 10)
		dst = appendNumber(dst, "executions", s.Runs)
		dst = appendBool(appendLimit(dst, "limit", s.Limit), "declared", s.Declared)
		dst = append(dst, '}')
	}
	return appendLeft(append(dst, ']'), left)
}
