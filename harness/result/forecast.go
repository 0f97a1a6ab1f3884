package result

import "time"

// Forecast is a run before it begins. Its Links have the cases that will not be carried out, with the verdict and the reason that they will
// have.
type Forecast struct {
	*Run
	ToRun []Planned // link by link, in the plan's order
	// Takes is about how long all of it takes, with AtOnce devices at the same time.
	Takes  time.Duration
	AtOnce int
	Notes  []string // what shows only when the run begins
}

// Planned is a case that will be carried out over a link, and about how long it takes.
type Planned struct {
	Link, ID, Title string
	Takes           time.Duration
}
