package main

import (
	"maps"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/suites/messages"
	"github.com/usptest/usptest/suites/mqtt"
)

// allBodies are the bodies of every chapter. Ids are distinct: a chapter's package holds only its own.
func allBodies() harness.Bodies {
	all := harness.Bodies{}
	for _, chapter := range []harness.Bodies{messages.Bodies(), mqtt.Bodies()} {
		maps.Copy(all, chapter)
	}
	return all
}
