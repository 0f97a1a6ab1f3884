package controller

import (
	"errors"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// about are the requirements of TR-369 that a violation is against.
func (c *Controller) about(v *Violation) []string {
	switch v.Rule {
	case endpointValid:
		return aboutEndpoint(v.Err)
	case schemaValid:
		return aboutSchema(v.Err)
	case pathValid:
		return []string{"R-ARC.7"}
	case instanceNumber:
		return []string{"R-MSG.3"}
	case msgIDEcho:
		return []string{"R-MSG.9"}
	case sameCarrier:
		return []string{"R-MSG.0a"}
	case replyAddress:
		mtp := c.link.MTP()
		return map[string][]string{"MQTT5.0": {"R-MQTT.26"}, "MQTT3.1.1": {"R-MQTT.25"}, "STOMP": {"R-STOMP.23"}}[mtp.Name+mtp.Version]
	case contextRules:
		return plan.RequirementsIn(v.Err.Error())
	}
	return plan.RequirementsIn(string(v.Rule))
}

// aboutEndpoint is about for an Endpoint ID. One that is valid, and not the one that is wanted, is against none.
func aboutEndpoint(err error) []string {
	var m *usp.Mismatch
	errors.As(err, &m)
	begins := func(prefix string) bool { return m != nil && strings.HasPrefix(m.Where, prefix) }
	switch {
	case begins("instance-id of ") && strings.HasPrefix(m.Want, "at most"):
		return []string{"R-ARC.6"}
	case begins("instance-id of ") && strings.HasPrefix(m.Want, "only letters"):
		return []string{"R-ARC.5"}
	case begins("instance-id of "), begins("authority-"), begins("endpoint id"):
		return []string{"R-ARC.2a"}
	}
	return nil
}

// aboutSchema is about for a Record or Message that is not valid by its schema. The place of a fault says what it is in.
func aboutSchema(err error) []string {
	var m *usp.Mismatch
	if !errors.As(err, &m) {
		return nil
	}
	message := strings.HasPrefix(m.Where, "header") || strings.HasPrefix(m.Where, "body")
	var ids []string
	switch {
	case m.Where == "header":
		ids = []string{"R-MSG.6"}
	case m.Where == "body":
		ids = []string{"R-MSG.7"}
	case m.Where == "header.msg_id":
		ids = []string{"R-MSG.8"}
	case m.Where == "header.msg_type":
		ids = []string{"R-MSG.10"}
	case m.Want == "one member":
		ids = []string{"R-ENC.3"}
	case m.Where == "payload_security":
		ids = []string{"R-E2E.41"}
	case m.Where == "session_context.session_id":
		ids = []string{"R-E2E.3"}
	case strings.HasPrefix(m.Where, "no_session_context"):
		ids = []string{"R-E2E.26"}
	case m.Where == "to_id", m.Where == "from_id":
		ids = []string{"R-MTP.4b"}
	}
	if message {
		return append(ids, "R-MSG.5", "R-ENC.0")
	}
	return append(ids, "R-ENC.1")
}
