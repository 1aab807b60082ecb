package queue

import "github.com/tidwall/btree"

// pageJobs is how many jobs a page has: so few that a job which stays when all
// its neighbours have gone keeps little memory, so many that a page's place in
// the tree is cheap.
const pageJobs = 16

// page is jobs whose ids follow each other. A job never moves while it lives.
type page struct {
	jobs [pageJobs]job
	used int
}

// table finds jobs by their ids.
type table struct {
	pages  btree.Map[uint64, *page] // by id / pageJobs
	latest *page                    // the one looked at last, which is mostly the next too
	number uint64                   // of latest
	count  int
}

func (t *table) page(number uint64) *page {
	if t.latest != nil && t.number == number {
		return t.latest
	}
	p, _ := t.pages.Get(number)
	if p != nil {
		t.latest, t.number = p, number
	}
	return p
}

// find is the job with that id, nil when there is none.
func (t *table) find(id uint64) *job {
	p := t.page(id / pageJobs)
	if p == nil {
		return nil
	}
	if j := &p.jobs[id%pageJobs]; j.id != 0 {
		return j
	}
	return nil
}

// place makes room for a job with an id that is not there.
func (t *table) place(id uint64) *job {
	number := id / pageJobs
	p := t.page(number)
	if p == nil {
		p = &page{}
		t.pages.Set(number, p)
		t.latest, t.number = p, number
	}
	p.used++
	t.count++
	return &p.jobs[id%pageJobs]
}

func (t *table) remove(id uint64) {
	number := id / pageJobs
	p := t.page(number)
	p.jobs[id%pageJobs] = job{}
	t.count--
	if p.used--; p.used == 0 {
		t.pages.Delete(number)
		t.latest = nil
	}
}

// from visits jobs in the order of their ids, those below from left out, until
// visit answers false.
func (t *table) from(from uint64, visit func(*job) bool) {
	t.pages.Ascend(from/pageJobs, func(_ uint64, p *page) bool {
		for i := range p.jobs {
			if j := &p.jobs[i]; j.id >= max(from, 1) && !visit(j) {
				return false
			}
		}
		return true
	})
}
