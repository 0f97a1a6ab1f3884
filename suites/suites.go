// Package suites merges the bodies of the chapters of the plan.
package suites

import (
	"maps"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/suites/access"
	"github.com/usptest/usptest/suites/bulkdata"
	"github.com/usptest/usptest/suites/discovery"
	"github.com/usptest/usptest/suites/functionality"
	"github.com/usptest/usptest/suites/messages"
	"github.com/usptest/usptest/suites/mqtt"
	"github.com/usptest/usptest/suites/mtp"
	"github.com/usptest/usptest/suites/records"
	"github.com/usptest/usptest/suites/requirements"
	"github.com/usptest/usptest/suites/stomp"
	"github.com/usptest/usptest/suites/websocket"
)

// chapters are the bodies of each chapter of the plan, and of the checks beyond it.
func chapters() []harness.Bodies {
	return []harness.Bodies{
		messages.Bodies(), access.Bodies(), records.Bodies(), mtp.Bodies(), stomp.Bodies(), websocket.Bodies(), discovery.Bodies(), functionality.Bodies(), bulkdata.Bodies(),
		mqtt.Bodies(), requirements.Bodies(),
	}
}

// Bodies are the bodies of every chapter. Ids are distinct: a chapter's package holds only its own.
func Bodies() harness.Bodies {
	all := harness.Bodies{}
	for _, chapter := range chapters() {
		maps.Copy(all, chapter)
	}
	return all
}
