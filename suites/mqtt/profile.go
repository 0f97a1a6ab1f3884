package mqtt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// profileObject is what a TR-181 profile wants of one object: parameters that can be read, and
// parameters that can be written too.
type profileObject struct {
	profile, object string
	read, write     []string
}

const (
	client         = "Device.MQTT.Client.{i}."
	controllerMQTT = "Device.LocalAgent.Controller.{i}.MTP.{i}.MQTT."
)

// profiles are MQTTClientCon:1, MQTTClientSubscribe:1 and MQTTAgent:1 of TR-181. What is open to
// choice or disputed is not among them.
func profiles() []profileObject {
	return []profileObject{
		{"MQTTClientCon:1", "Device.MQTT.", []string{"ClientNumberOfEntries"}, nil},
		{"MQTTClientCon:1", "Device.MQTT.Capabilities.", []string{"ProtocolVersionsSupported", "TransportProtocolSupported"}, nil},
		{"MQTTClientCon:1", client, []string{"Status", "ResponseInformation"}, []string{
			"Enable", "ProtocolVersion", "BrokerAddress", "BrokerPort", "CleanSession", "KeepAliveTime", "Name", "ClientID",
			"Username", "Password", "TransportProtocol", "ConnectRetryTime", "ConnectRetryIntervalMultiplier", "ConnectRetryMaxInterval"}},
		{"MQTTClientSubscribe:1", client, []string{"SubscriptionNumberOfEntries"}, nil},
		{"MQTTClientSubscribe:1", client + "Subscription.{i}.", []string{"QoS"}, []string{"Topic", "Enable"}},
		{"MQTTAgent:1", "Device.LocalAgent.MTP.{i}.MQTT.", []string{"Reference", "ResponseTopicDiscovered"}, []string{"ResponseTopicConfigured"}},
		{"MQTTController", controllerMQTT, nil, []string{"Topic"}},
	}
}

// requiredProfiles is 11.1.
func requiredProfiles(c *harness.Case) {
	c.Step(1, "get the supported data model of Device.MQTT. and Device.LocalAgent.")
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{"Device.MQTT.", harness.LocalAgent}, ReturnParams: true})
	if !c.Answered(1, got, usp.GetSupportedDMResp) {
		return
	}
	wanted := append(profiles(), disputed(c)...)
	c.Metric(2, func(m *harness.Metric) {
		model := parametersOf(got)
		var missing []string
		for _, p := range wanted {
			missing = append(missing, model.lacks(p)...)
		}
		missing = append(missing, lacksReference(c, model)...)
		if len(missing) > 0 {
			const most = 10
			shown := strings.Join(missing[:min(most, len(missing))], "; ")
			m.Must(&usp.Mismatch{Where: "GetSupportedDMResp", Want: "the parameters of the four profiles", Got: shown}, got.Evidence())
		}
		m.Saw(got.Evidence())
	})
}

// disputed is what the letter of the plan wants beside: the profile on which MQTTClientSubscribe:1
// is based, of which MQTTClientCon:1 repeats all but the statistics, and MessageRetryTime, which
// TR-181 gives a meaning for MQTT 3.1 alone.
func disputed(c *harness.Case) (wanted []profileObject) {
	if c.Strict("profile-without-its-base") {
		counters := []string{"BrokerConnectionEstablished", "MQTTMessagesSent", "MQTTMessagesReceived", "ConnectionErrors"}
		wanted = append(wanted, profileObject{"MQTTClientBase:1", client + "Stats.", counters, nil})
	}
	if c.Strict("message-retry-of-3-1") {
		versions, err := c.Read("Device.MQTT.Capabilities.ProtocolVersionsSupported")
		c.DeviceMust(err)
		if strings.TrimSpace(versions) != "5.0" {
			wanted = append(wanted, profileObject{"MQTTClientCon:1", client, nil, []string{"MessageRetryTime"}})
		}
	}
	return wanted
}

// lacksReference says what is missing of the reference from a Controller's MTP, which is another
// one in each version of MQTTController.
func lacksReference(c *harness.Case, model parameters) []string {
	first := model.lacks(profileObject{"MQTTController:1", controllerMQTT, []string{"Reference"}, nil})
	second := model.lacks(profileObject{"MQTTController:2", controllerMQTT, []string{"AgentMTPReference"}, nil})
	switch {
	case c.Strict("controller-profile-is-deprecated"):
		return first
	case len(first) > 0 && len(second) > 0:
		return append(first, second...)
	}
	return nil
}

// parameters are those of a supported data model, by object.
type parameters map[string][]*usppb.GetSupportedDMResp_SupportedParamResult

// parametersOf reads a GetSupportedDMResp.
func parametersOf(got *controller.Reply) parameters {
	model := parameters{}
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			model[o.GetSupportedObjPath()] = append(model[o.GetSupportedObjPath()], o.GetSupportedParams()...)
		}
	}
	return model
}

// lacks says what of a profile's object is missing, one text for each parameter.
func (model parameters) lacks(p profileObject) (missing []string) {
	for i, name := range slices.Concat(p.read, p.write) {
		at := slices.IndexFunc(model[p.object], func(s *usppb.GetSupportedDMResp_SupportedParamResult) bool { return s.GetParamName() == name })
		if at < 0 {
			missing = append(missing, fmt.Sprintf("%s%s is missing (%s)", p.object, name, p.profile))
			continue
		}
		access := model[p.object][at].GetAccess()
		switch {
		case i >= len(p.read) && access == usppb.GetSupportedDMResp_PARAM_READ_ONLY:
			missing = append(missing, fmt.Sprintf("%s%s cannot be written (%s)", p.object, name, p.profile))
		case i < len(p.read) && access == usppb.GetSupportedDMResp_PARAM_WRITE_ONLY:
			missing = append(missing, fmt.Sprintf("%s%s cannot be read (%s)", p.object, name, p.profile))
		}
	}
	return missing
}
