package queue

// Cancel removes a job that is not finished. Who has its lease loses it.
type Cancel struct {
	write
	ID uint64
}

// Append implements Op.
func (op *Cancel) Append(dst []byte) []byte { return appendOp(dst, codeCancel, op) }

func (op *Cancel) fields(c *codec) { c.uint(&op.ID) }

// Update replaces a job's data, in whatever state it is.
type Update struct {
	growth
	ID   uint64
	Data []byte
}

// Append implements Op.
func (op *Update) Append(dst []byte) []byte { return appendOp(dst, codeUpdate, op) }

func (op *Update) fields(c *codec) {
	c.uint(&op.ID)
	c.bytes(&op.Data, MaxData)
}

// SetPriority changes the priority of a job that is not finished.
type SetPriority struct {
	write
	ID       uint64
	Priority int32
}

// Append implements Op.
func (op *SetPriority) Append(dst []byte) []byte { return appendOp(dst, codePriority, op) }

func (op *SetPriority) fields(c *codec) {
	c.uint(&op.ID)
	c.int32(&op.Priority)
}

// MoveToDelayed puts a job that waits, is delayed or active off. An active one
// leaves its lease without an attempt being counted; its holder must be named,
// or the job is left alone. With a token, nothing but the job under that lease is
// put off.
type MoveToDelayed struct {
	write
	Holder
	Delay int64 // ms

	Result int64 // when it becomes ready
}

// Append implements Op.
func (op *MoveToDelayed) Append(dst []byte) []byte { return appendOp(dst, codeDelay, op) }

func (op *MoveToDelayed) fields(c *codec) {
	c.holder(&op.Holder)
	c.int(&op.Delay)
}

// Promote makes a delayed job ready at once.
type Promote struct {
	write
	ID uint64
}

// Append implements Op.
func (op *Promote) Append(dst []byte) []byte { return appendOp(dst, codePromote, op) }

func (op *Promote) fields(c *codec) { c.uint(&op.ID) }

// Discard makes a dead letter of a job that is not finished. Who has its lease
// loses it.
type Discard struct {
	write
	ID uint64
}

// Append implements Op.
func (op *Discard) Append(dst []byte) []byte { return appendOp(dst, codeDiscard, op) }

func (op *Discard) fields(c *codec) { c.uint(&op.ID) }
