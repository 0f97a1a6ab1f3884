package model

import (
	"slices"
	"strings"
	"testing"
)

// TestVersions: what versions of TR-181 have otherwise is judged by the version that a device claims, and not at all when it claims none.
func TestVersions(t *testing.T) {
	t.Parallel()
	facts, err := Facts()
	if err != nil {
		t.Fatal(err)
	}
	const session, host = "Device.LocalAgent.Controller.{i}.E2ESession.", "Device.IP.Diagnostics."
	kind := func(kind string) func(*Model) {
		return func(d *Model) { d.Objects[session].Commands["Reset()"] = Command{Kind: kind} }
	}
	noHost := func(d *Model) { delete(d.Objects[host].Commands["IPPing()"].In, "Host") }
	streams := func(d *Model) {
		d.Objects["Device.BulkData.Profile.{i}."].Params["StreamingHost"] = Param{Type: "string", Access: ReadWrite}
	}
	for _, c := range []struct {
		name, uri string
		has       func(*Model)
		kind      Kind
		path      string
	}{
		{"asynchronous then", "tr-181-2-15-1-usp", kind(Async), "", ""},
		{"synchronous then", "tr-181-2-15-0-usp", kind(Sync), OtherKind, session + "Reset()"},
		{"asynchronous now", "tr-181-2-16-0-usp", kind(Async), OtherKind, session + "Reset()"},
		{"synchronous now", "tr-181-2-19-1-usp", kind(Sync), "", ""},
		{"synchronous, no claim", "acme-1", kind(Sync), "", ""},
		{"asynchronous, no claim", "acme-1", kind(Async), "", ""},
		{"not mandatory then", "tr-181-2-14-0-usp", noHost, "", ""},
		{"mandatory now", "tr-181-2-15-0-usp", noHost, Missing, host + "IPPing() Host"},
		{"mandatory, no claim", "acme-1", noHost, "", ""},
		{"current then", "tr-181-2-14-0-usp", streams, "", ""},
		{"deprecated", "tr-181-2-15-0-usp", streams, Outdated, "Device.BulkData.Profile.{i}.StreamingHost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			device := deviceOf(t, facts.For(c.uri), true)
			device.Name = "urn:broadband-forum-org:" + c.uri
			c.has(device)
			var got []Finding
			for _, f := range compared(t, device, facts) {
				if f.Kind != VersionBelow {
					got = append(got, f)
				}
			}
			if c.kind == "" && len(got) > 0 || c.kind != "" && (len(got) != 1 || got[0].Kind != c.kind || got[0].Path != c.path) {
				t.Errorf("want %q of %s alone, got %+v", c.kind, c.path, got)
			}
		})
	}
	const protocols = "Device.LocalAgent."
	device := deviceOf(t, facts, true)
	device.Name = "urn:broadband-forum-org:tr-181-2-12-0-usp"
	for value, good := range map[string]bool{"CoAP,MQTT": true, "Pigeon": false} {
		shown := []Shown{{Path: protocols, Params: map[string]string{"SupportedProtocols": value}}}
		bad := slices.ContainsFunc(CheckValues(device, facts, shown), func(f Finding) bool { return f.Kind == BadValue })
		if bad == good {
			t.Errorf("SupportedProtocols %q: good is %t", value, !bad)
		}
	}
}

// TestEarlier writes and reads what older versions have otherwise.
func TestEarlier(t *testing.T) {
	t.Parallel()
	was, now := small(), small()
	was.Name = "Device:2.15"
	was.Objects["Device.Row.{i}."].Create = false
	was.Objects["Device.Gone."] = newObject()
	was.Profiles["All:1"].Requirements = was.Profiles["All:1"].Requirements[:1]
	var text strings.Builder
	if err := now.WithEarlier(was).Write(&text); err != nil {
		t.Fatal(err)
	}
	again, err := read(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	old, current := again.For("urn:tr-181-2-15-0"), again.For("urn:tr-181-2-16-0")
	if old.Objects["Device.Gone."] == nil || old.Objects["Device.Row.{i}."].Create || len(old.Profiles["All:1"].Requirements) != 1 {
		t.Errorf("2.15: %+v", old)
	}
	if current != again || current.Objects["Device.Gone."] != nil || !current.Objects["Device.Row.{i}."].Create {
		t.Errorf("2.16: %+v", current)
	}
}
