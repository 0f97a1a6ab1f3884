package requirements

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// otherVersion is R-MQTT.26a. A second Controller says that it speaks another version of MQTT, so that the harness's own is still heard.
func otherVersion(c *harness.Case) {
	same, other := usppb.MQTTConnectRecord_V5, usppb.MQTTConnectRecord_V3_1_1
	if c.MTP.Version != "5.0" {
		same, other = other, same
	}
	c.Step(1, "add a second Controller")
	second, row := c.SecondController()
	topic := ""
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	for path, value := range values {
		if strings.HasSuffix(path, ".MQTT.Topic") {
			topic = value
		}
	}
	_, records, err := second.PrepareOutside(usp.NewGet(second.NewMsgID(), endpointID))
	c.LabMust(err)
	connect := func(ctx context.Context, version usppb.MQTTConnectRecord_MQTTVersion) error {
		record := proto.Clone(records[0]).(*usppb.Record)
		record.RecordType = &usppb.Record_MqttConnect{MqttConnect: &usppb.MQTTConnectRecord{Version: version, SubscribedTopic: topic}}
		_, err := second.SendRecord(ctx, record)
		return err
	}
	c.Cleanup("have the second Controller speak the right version", func(ctx context.Context) error { return connect(ctx, same) })

	c.Step(2, "it sends a Connect Record with the version %s, and a Get", other)
	mark := c.Journal.Mark()
	c.DeviceMust(connect(c, other))
	get := usp.NewGet(second.NewMsgID(), endpointID)
	_, err = second.Send(c, get)
	c.DeviceMust(err)
	own := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(own, usp.GetResp))

	c.Step(3, "it sends a Connect Record with the version %s, and another Get", same)
	c.DeviceMust(connect(c, same))
	again := second.Get(c, endpointID)
	c.Metric(1, func(m *harness.Metric) {
		m.Note("an Error is accepted (R-MTP.5)")
		got := strings.Join(responses(c, mark, get), ", ")
		m.Must(expect.Equal("responses to the Get of a Controller with another version of MQTT", "", got), mark)
	})
	c.Metric(2, func(m *harness.Metric) { m.Must(expect.Type(again, usp.GetResp), again.Evidence()) })
}

// responses names the responses other than an Error to a request that came after mark.
func responses(c *harness.Case, mark journal.Mark, request *usppb.Msg) (names []string) {
	for _, answer := range answers(c, mark, request) {
		if name := notError(answer); name != "" {
			names = append(names, name)
		}
	}
	return names
}
