package kube

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Sizes of a drawing, in its units.
const (
	drawingWidth = 1000
	leftMargin   = 190
	rightMargin  = 20
	rowHeight    = 20
	stripHeight  = 130
	textStyle    = `<style>text{font:12px sans-serif;fill:#333}.axis{stroke:#bbb;stroke-width:1}.a{fill:none;stroke:#1f6feb;stroke-width:1.2}.fault{stroke:#d1242f;stroke-width:1;opacity:.45}.dot{fill:#1f6feb;opacity:.6}</style>`
)

type drawing struct{ strings.Builder }

func newDrawing(height int) *drawing {
	d := &drawing{}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">`, drawingWidth, height)
	d.WriteString(textStyle + `<rect width="100%" height="100%" fill="#fff"/>`)
	return d
}

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *drawing) text(x, y float64, anchor, format string, args ...any) {
	d.add(`<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x, y, anchor, fmt.Sprintf(format, args...))
}

func (d *drawing) end() string { return d.String() + "</svg>\n" }

// Rates draws what was acknowledged in each second, with faults marked.
func (r *Report) Rates() string {
	d := newDrawing(2*(stripHeight+40) + 20)
	for i, series := range []struct {
		title  string
		counts []int
	}{{"writes per second", r.writes}, {"jobs per second", r.pushes}} {
		top := float64(20 + i*(stripHeight+40))
		r.strip(d, top, series.title, series.counts)
	}
	return d.end()
}

func (r *Report) strip(d *drawing, top float64, title string, counts []int) {
	bottom, most := top+stripHeight, max(1, slices.Max(append([]int{0}, counts...)))
	width := float64(drawingWidth - leftMargin - rightMargin)
	x := func(second float64) float64 { return leftMargin + width*second/float64(max(1, len(counts)-1)) }
	d.text(leftMargin-10, top+10, "end", "%s", title)
	d.text(leftMargin-10, top+26, "end", "0 to %d", most)
	d.text(leftMargin-10, top+42, "end", "red: a fault")
	d.add(`<line class="axis" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, leftMargin, bottom, drawingWidth-rightMargin, bottom)
	for _, f := range r.faults {
		at := x(f.At.Sub(r.Begun).Seconds())
		d.add(`<line class="fault" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"><title>%s of %s</title></line>`, at, top, at, bottom, f.Kind, f.Victim)
	}
	var points []string
	for second, n := range counts {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(float64(second)), bottom-stripHeight*float64(n)/float64(most)))
	}
	d.add(`<polyline class="a" points="%s"/>`, strings.Join(points, " "))
	for minute := 0; minute*60 < len(counts); minute += max(1, len(counts)/600) {
		d.text(x(float64(minute*60)), bottom+15, "middle", "%d min", minute)
	}
}

// Pauses draws each fault's longest time without an acknowledgement, by its kind.
func (r *Report) Pauses() string {
	kinds := r.kinds()
	d := newDrawing(rowHeight*len(kinds) + 60)
	bottom := float64(20 + rowHeight*len(kinds))
	// A logarithmic axis of ten milliseconds to a hundred seconds.
	x := func(pause time.Duration) float64 {
		decades := math.Log10(max(pause.Seconds(), 0.01)) + 2
		return leftMargin + float64(drawingWidth-leftMargin-rightMargin)*min(decades, 4)/4
	}
	for _, tick := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, 100 * time.Second} {
		d.add(`<line class="axis" x1="%.1f" y1="10" x2="%.1f" y2="%.1f"/>`, x(tick), x(tick), bottom)
		d.text(x(tick), bottom+15, "middle", "%g s", tick.Seconds())
	}
	for i, kind := range kinds {
		y := float64(20 + rowHeight*i)
		d.text(leftMargin-10, y+4, "end", "%s", kind)
		for _, pause := range r.pauses(kind) {
			d.add(`<circle class="dot" cx="%.1f" cy="%.1f" r="4"><title>%s: %s</title></circle>`, x(pause), y, kind, seconds(pause))
		}
	}
	return d.end()
}
