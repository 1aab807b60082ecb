package queue

// SetSchedule adds a schedule, or replaces the one of the same name, which goes
// on counting its runs. One that is declared cannot be replaced.
type SetSchedule struct {
	growth
	Schedule
	Next int64 // the first run, ms since the epoch; Check finds it
}

// Append implements Op.
func (op *SetSchedule) Append(dst []byte) []byte { return appendOp(dst, codeSchedule, op) }

func (op *SetSchedule) fields(c *codec) {
	op.Schedule.fields(c)
	c.int(&op.Next)
}

func (s *Schedule) fields(c *codec) {
	c.string(&s.Name, MaxName)
	c.string(&s.Queue, MaxQueueName)
	c.string(&s.Cron, MaxCronText)
	c.string(&s.TimeZone, MaxCronText)
	c.int(&s.Every)
	data := []byte(s.Data)
	c.bytes(&data, MaxData)
	s.Data = data
	c.int32(&s.Priority)
	c.int(&s.Limit)
}

// DeleteSchedule removes a schedule that was not declared.
type DeleteSchedule struct {
	write
	Name string
}

// Append implements Op.
func (op *DeleteSchedule) Append(dst []byte) []byte { return appendOp(dst, codeDeleteSchedule, op) }

func (op *DeleteSchedule) fields(c *codec) { c.string(&op.Name, MaxName) }

// Configure puts settings in force. Queues that were declared and are not any
// more are closed for pushes while they hold jobs, or lose them, as their last
// deletion policy says.
type Configure struct {
	growth
	Settings []byte // Settings as JSON; ParseSettings reads them
	Nexts    []Run  // first runs of schedules that are new or changed; Check finds them
}

// Run says when a schedule runs next.
type Run struct {
	Name string
	Next int64 // ms since the epoch; 0: never again
}

func runs(c *codec, s *[]Run) {
	list(c, s, MaxSchedules, 2, func(r *Run) {
		c.string(&r.Name, MaxName)
		c.int(&r.Next)
	})
}

// Append implements Op.
func (op *Configure) Append(dst []byte) []byte { return appendOp(dst, codeConfigure, op) }

func (op *Configure) fields(c *codec) {
	c.bytes(&op.Settings, MaxSettings)
	runs(c, &op.Nexts)
}

// Tick does what is due by now: delays, leases, timeouts, ttl, retention,
// schedules, opened rate windows. It does a bounded part of it; NextDue tells
// when there is more. Queues.Tick makes one.
type Tick struct {
	write
	Runs []Run // schedules that are due, each with the run after that
	Full bool  // there is no memory for their jobs: these runs are missed

	Result int // what was done; 0: nothing was due
}

// Append implements Op.
func (op *Tick) Append(dst []byte) []byte { return appendOp(dst, codeTick, op) }

func (op *Tick) fields(c *codec) {
	runs(c, &op.Runs)
	c.bool(&op.Full)
}
