package usp

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestDescribe(t *testing.T) {
	r := wrapped(t, NewMsg("get\n1", &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{
		{RequestedPath: "Device.X.", ErrCode: 7026, ErrMsg: "none <script>"},
		{RequestedPath: "Device.MQTT.", ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{
			ResolvedPath: "Device.MQTT.Client.1.", ResultParams: Params{"Password": "geheim", "Name": "n", "Alias": "", "Secret": ""}}}},
	}}))
	r.MacSignature = []byte{1, 2, 255}
	const want = `Record
  version: "1.4"
  to_id: "os::00256D-1"
  from_id: "self::controller"
  payload_security: PLAINTEXT
  mac_signature: 3 bytes, 01 02 ff
  no_session_context
    payload: 148 bytes, a Message
      header
        msg_id: "get\n1"
        msg_type: GetResp
      body
        response
          get_resp
            req_path_results[0]
              requested_path: "Device.X."
              err_code: 7026 Invalid path
              err_msg: "none <script>"
            req_path_results[1]
              requested_path: "Device.MQTT."
              err_code: 0
              err_msg: ""
              resolved_path_results[0]
                resolved_path: "Device.MQTT.Client.1."
                result_params
                  "Alias": ""
                  "Name": "n"
                  "Password": (redacted)
                  "Secret": ""
`
	for range 5 { // maps have no order of their own
		if got := Describe(r); got != want {
			t.Fatalf("want\n%s\ngot\n%s", want, got)
		}
	}
}

func TestDescribeOddities(t *testing.T) {
	unknown := encoded(t, &usppb.Msg{Header: &usppb.Header{MsgId: "1", MsgType: 77}})
	m, err := ParseMessage(append(unknown, inField(99, []byte("newer"))...))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nil":            {Describe(nil), []string{"(none)"}},
		"nil Record":     {Describe((*usppb.Record)(nil)), []string{"(none)"}},
		"newer":          {Describe(m), []string{"msg_type: unknown message type 77", "unknown fields: "}},
		"unknown enum":   {Describe(&usppb.Record{PayloadSecurity: 9}), []string{"payload_security: unknown value 9"}},
		"not a Message":  {Describe(&usppb.NoSessionContextRecord{Payload: []byte("\xff\xff")}), []string{"payload: 2 bytes, ff ff"}},
		"long bytes":     {Describe(&usppb.Record{SenderCert: make([]byte, 99)}), []string{"sender_cert: 99 bytes, 00 ", " …"}},
		"long string":    {Describe(&usppb.Record{ToId: strings.Repeat("ü", 999)}), []string{`ü"… (1998 bytes)`}},
		"disconnect":     {Describe(&usppb.DisconnectRecord{ReasonCode: 7105}), []string{"reason_code: 7105 Session Context terminated"}},
		"secret by Set":  {Describe(NewSet("1", true, Update("Device.X.1.", Params{"Password": "geheim"}, nil))), []string{"value: (redacted)"}},
		"argument":       {Describe(NewOperate("1", "Device.X()", "", true, Params{"A": "\x00<b>"})), []string{`"A": "\x00<b>"`}},
		"empty repeated": {Describe(NewGet("1")), []string{"max_depth: 0"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.text, want) {
				t.Errorf("%s: want %q in\n%s", name, want, c.text)
			}
		}
	}
}

func TestDescribeIsBounded(t *testing.T) {
	large := wrapped(t, NewMsg("1", supportedModel(100, 500)))
	manyKeys := Params{}
	for i := range 5000 {
		manyKeys[strings.Repeat("k", i%300)+string(rune('a'+i%26))] = strings.Repeat("v", 5000)
	}
	for _, m := range []proto.Message{large, NewOperate("1", "Device.X()", "", true, manyKeys)} {
		got := Describe(m)
		if len(got) > maxDescription+100 || !strings.HasSuffix(got, "… (cut)\n") || strings.Count(got, "(cut)") != 1 {
			t.Errorf("%d bytes that end in %q", len(got), got[len(got)-20:])
		}
	}
}

func TestIsSecretName(t *testing.T) {
	for _, secret := range []string{
		"Password", "Device.MQTT.Client.1.Password", "HTTP.Password", "KeyPassphrase", "PreSharedKey", "WEPKey", "SAEPassphrase", "PIN",
		"RadiusSecret", "SharedSecret", "CertPrivateKey", "EncryptionKey", "AuthenticationKey", "X_EXAMPLE_AdminPassword2", "password",
		"Device.LocalAgent.ControllerTrust.Challenge.1.Value", "Device.LocalAgent.ControllerTrust.ChallengeResponse()Value",
	} {
		if !IsSecretName(secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	for _, open := range []string{
		"", "Value", "Device.X.1.Value", "AllowPasswordLogin", "PasswordRequired", "EncryptionKeyLength", "CommandKey", "KeyIdentifier",
		"Username", "Ping", "Spin", "PINCheck", "SSID", "MACKeyAlgorithm", "Key", "SecretNumberOfEntries", "Device.Password.1.Name",
	} {
		if IsSecretName(open) {
			t.Errorf("%s is hidden", open)
		}
	}
}

func TestSecrets(t *testing.T) {
	trust := "Device.LocalAgent.ControllerTrust."
	for name, c := range map[string]struct {
		msg  *usppb.Msg
		want []string
	}{
		"add":           {NewAdd("1", true, Create("Device.MQTT.Client.", Params{"Password": "b", "Username": "u"}, Params{"KeyPassphrase": "a"})), []string{"a", "b"}},
		"set":           {NewSet("1", true, Update("Device.A.1.", Params{"Password": "a"}, nil), Update("Device.B.1.", Params{"Password": "a"}, nil)), []string{"a"}},
		"empty":         {NewSet("1", true, Update("Device.A.1.", Params{"Password": ""}, nil)), nil},
		"challenge row": {NewAdd("1", true, Create(trust+"Challenge.", Params{"Value": "pin"}, nil)), []string{"pin"}},
		"challenge":     {NewOperate("1", trust+"ChallengeResponse()", "", true, Params{"Value": "pin", "ChallengeID": "c"}), []string{"pin"}},
		"other command": {NewOperate("1", "Device.X()", "", true, Params{"Value": "v", "Password": "p"}), []string{"p"}},
		"value change": {NewMsg("1", &usppb.Notify{Notification: &usppb.Notify_ValueChange_{
			ValueChange: &usppb.Notify_ValueChange{ParamPath: "Device.A.Password", ParamValue: "p"}}}), []string{"p"}},
		"get": {NewMsg("1", &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
			ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: "Device.A.", ResultParams: Params{"Sub.Secret": "s", "B": "b"}}}}}}), []string{"s"}},
		"none": {nil, nil},
	} {
		if got := Secrets(c.msg); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: want %q, got %q", name, c.want, got)
		}
		text := Describe(c.msg)
		for _, secret := range c.want {
			if strings.Contains(text, `"`+secret+`"`) {
				t.Errorf("%s: the description shows %q:\n%s", name, secret, text)
			}
		}
	}
}
