package usp

import (
	"reflect"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		path   string
		kind   PathKind
		schema string // "" where that says nothing
	}{
		{"Device.", ObjectPath, "Device."},
		{"Device.IP.Interface.", ObjectPath, "Device.IP.Interface."},
		{"Device.IP.Interface.1.", InstancePath, "Device.IP.Interface.{i}."},
		{"Device.IP.Interface.4294967295.", InstancePath, "Device.IP.Interface.{i}."},
		{"Device.IP.Interface.*.", InstancePath, "Device.IP.Interface.{i}."},
		{"Device.IP.Interface.*.Type", ParameterPath, "Device.IP.Interface.{i}.Type"},
		{`Device.IP.Interface.[Name=="eth0"].`, InstancePath, "Device.IP.Interface.{i}."},
		{`Device.IP.Interface.[Name=="eth0"].IPv4Address.[Status=="Enabled"].IPAddress`, ParameterPath,
			"Device.IP.Interface.{i}.IPv4Address.{i}.IPAddress"},
		{`Device.IP.Interface.[Name=="eth0"].Reset()`, CommandPath, "Device.IP.Interface.{i}.Reset()"},
		{`Device.NAT.PortMapping.[RemoteHost==""&&ExternalPort==0&&Protocol=="TCP"].`, InstancePath, ""},
		{`Device.IP.Interface.[Type=="Normal"&&Stats.ErrorsSent>0].Status`, ParameterPath, ""},
		{`Device.DSL.Line.[Enable==true].CurrentProfile`, ParameterPath, ""},
		{`Device.IP.Interface.*.IPv6Address.[ValidLifetime<2021-06-06T08:00:00Z].IPAddress`, ParameterPath, ""},
		{`Device.USB.USBHosts.Host.*.Device.[DeviceClass==08].`, InstancePath, ""},
		{`Device.USB.USBHosts.Host.*.Device.[DeviceClass==EF].`, InstancePath, ""},
		{`Device.PCP.Client.*.Server.[Capabilities~="IPv6Firewall"].`, InstancePath, ""},
		{`Device.PeriodicStatistics.SampleSet.[SampleSeconds~=-5].`, InstancePath, ""},
		{`Device.X.[A<=1&&B>=+2&&C!=.5&&D>"."].`, InstancePath, ""},
		{`Device.X.[Name=="100%25 %22quoted%22 ].&&[ ü"].`, InstancePath, "Device.X.{i}."},
		{"Device.NAT.PortMapping.1.Interface+.Name", ParameterPath, ""},
		{"Device.NAT.PortMapping.1.Interface+.", ObjectPath, ""},
		{"Device.WiFi.SSID.1.LowerLayers#2+.Name", ParameterPath, ""},
		{"Device.WiFi.SSID.1.LowerLayers#*+.Name", ParameterPath, ""},
		{"Device.WiFi.SSID.1.LowerLayers#*+.Stats.BytesSent", ParameterPath, ""},
		{`Device.WiFi.AccessPoint.[SSIDReference+.SSID=="MyHome"].AssociatedDevice.[OperatingStandard=="ac"].SignalStrength`,
			ParameterPath, ""},
		{"Device.Boot!", EventPath, "Device.Boot!"},
		{"Device.LocalAgent.Periodic!", EventPath, "Device.LocalAgent.Periodic!"},
		{"Device.Reboot()", CommandPath, "Device.Reboot()"},
		{"Device.STOMP.Connection.1.X_EXAMPLE-COM_Encrypt", ParameterPath, "Device.STOMP.Connection.{i}.X_EXAMPLE-COM_Encrypt"},
		{"Device._a.B_1", ParameterPath, "Device._a.B_1"},
	} {
		p, err := ParsePath(c.path)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Kind != c.kind {
			t.Errorf("%s: want an %s, got an %s", c.path, c.kind, p.Kind)
		}
		if p.String() != c.path {
			t.Errorf("%s: written as %s", c.path, p)
		}
		if c.schema != "" && p.Schema() != c.schema {
			t.Errorf("%s: want schema %s, got %s", c.path, c.schema, p.Schema())
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"", "a name at byte 0"},
		{".", "a name at byte 0"},
		{"Device", "'.' after the root object"},
		{"Reboot()", "an object before the name"},
		{"Boot!", "an object before the name"},
		{"Device..", "a name at byte 7"},
		{"Device..IP.", "a name at byte 7"},
		{" Device.", "a name"},
		{"Device. IP.", "a name"},
		{"Device.IP .", "'.', '()'"},
		{"Device.1.", "a name at byte 7"},
		{"Device.*.", "a name at byte 7"},
		{"Device.IP.Interface.1", "'.' after an instance"},
		{"Device.IP.Interface.*", "'.' after an instance"},
		{"Device.IP.Interface.0.", "a number from 1"},
		{"Device.IP.Interface.01.", "a number from 1"},
		{"Device.IP.Interface.-1.", "a name, an instance number"},
		{"Device.IP.Interface.4294967296.", "a number from 1"},
		{"Device.IP.Interface.1.2.", "a name at byte"},
		{"Device.IP.Interface.1a.", "'.', '()'"},
		{"Device.IP.Interface.{i}.", "a name, an instance number"},
		{"Device.IP.Interface.[].", "the name of a parameter"},
		{"Device.IP.Interface.[Name].", "one of == !="},
		{`Device.IP.Interface.[Name="x"].`, "one of == !="},
		{"Device.IP.Interface.[Name==].", "a string in quotes"},
		{"Device.IP.Interface.[Name==eth0].", "a string in quotes"},
		{`Device.IP.Interface.[Name=="eth0].`, "a closing"},
		{`Device.IP.Interface.[Name=="a"||Name=="b"].`, "'&&' or ']'"},
		{`Device.IP.Interface.[Name=="a"&&].`, "the name of a parameter"},
		{`Device.IP.Interface.[Name=="100%"].`, "percent"},
		{`Device.IP.Interface.[Name=="%FF"].`, "percent"},
		{`Device.IP.Interface.[Name=="a"`, "'&&' or ']'"},
		{`Device.IP.Interface.[Type=="Normal"&&IPv4Address.*.AddressingType=="Static"].Status`, "the name of a parameter"},
		{`Device.IP.Interface.[A+=="a"].`, "'.' and a name after the reference"},
		{`Device.IP.Interface.{Type=="Normal"}.Status`, "a name, an instance number"},
		{"Device.X.Ref+", "'.' after the reference"},
		{"Device.X.Ref+Name", "'.' after the reference"},
		{"Device.X.Ref+.1.", "a name"},
		{"Device.X.Ref#0+.Name", "a number from 1"},
		{"Device.X.Ref#+.Name", "a number from 1"},
		{"Device.X.Ref#1.Name", "'+' after the number"},
		{"Device.Reboot().", "'.', '()'"},
		{"Device.Reboot()x", "'.', '()'"},
		{"Device.Reboot(", "'.', '()'"},
		{"Device.Boot!.", "'.', '()'"},
		{"Device.IP.Interface.1.()", "a name"},
		{"Device.X\xff.", "text in UTF-8"},
		{"Device.Ü.", "a name"},
		{"Device.X-Y.", "'.', '()'"},
		{"Device." + strings.Repeat("X.", MaxPathSegments), "at most 128 segments"},
		{"Device." + strings.Repeat("X", MaxPathLength), "at most 8192 bytes"},
		{"Device.X.[A==1" + strings.Repeat("&&A==1", MaxConditions) + "].", "at most 32 conditions"},
		{"Device.X.[" + strings.Repeat("A.", MaxPathSegments) + "A==1].", "at most 128 segments"},
	} {
		_, err := ParsePath(c.path)
		wantMismatch(t, c.path, err, "path", c.want)
	}
}

func TestPathPredicates(t *testing.T) {
	for _, c := range []struct {
		path                                string
		wildcard, search, follows, byNumber bool
	}{
		{"Device.IP.", false, false, false, true},
		{"Device.IP.Interface.1.Status", false, false, false, true},
		{"Device.IP.Interface.*.Status", true, true, false, false},
		{`Device.IP.Interface.[Name=="x"].Status`, false, true, false, false},
		{"Device.X.Ref+.Name", false, false, true, false},
	} {
		p := mustParse(t, c.path)
		if p.HasWildcard() != c.wildcard || p.IsSearch() != c.search || p.Follows() != c.follows || p.ByNumber() != c.byNumber {
			t.Errorf("%s: wildcard %v, search %v, follows %v, by number %v", c.path, p.HasWildcard(), p.IsSearch(), p.Follows(), p.ByNumber())
		}
	}
}

func TestSegments(t *testing.T) {
	p := mustParse(t, `Device.A.2.B.*.C.[R#3+.N == "x%25" && M<5].D#*+.E`)
	want := []Segment{
		{Name: "Device"}, {Name: "A"}, {Kind: NumberSegment, Number: 2}, {Name: "B"}, {Kind: WildcardSegment}, {Name: "C"},
		{Kind: SearchSegment, Conditions: []Condition{
			{Left: []Segment{{Name: "R", Follow: 3}, {Name: "N"}}, Op: Equal, Value: "x%", Quoted: true},
			{Left: []Segment{{Name: "M"}}, Op: Less, Value: "5"},
		}},
		{Name: "D", Follow: FollowAll}, {Name: "E"},
	}
	if !reflect.DeepEqual(p.Segments, want) {
		t.Errorf("want %+v, got %+v", want, p.Segments)
	}
	if want := `Device.A.2.B.*.C.[R#3+.N=="x%25"&&M<5].D#*+.E`; p.String() != want {
		t.Errorf("want %s, got %s", want, p)
	}
	if got := mustParse(t, "Device.A.Ref#1+.B").String(); got != "Device.A.Ref+.B" {
		t.Errorf("the first item is written %s", got)
	}
}

func TestParent(t *testing.T) {
	path := mustParse(t, "Device.IP.Interface.1.Status")
	for _, want := range []struct {
		path string
		kind PathKind
	}{
		{"Device.IP.Interface.1.", InstancePath}, {"Device.IP.Interface.", ObjectPath}, {"Device.IP.", ObjectPath}, {"Device.", ObjectPath},
	} {
		path = path.Parent()
		if path.String() != want.path || path.Kind != want.kind {
			t.Errorf("want %s, got %s, an %s", want.path, path, path.Kind)
		}
	}
	if top := path.Parent().Parent(); len(top.Segments) != 0 || top.Last().Name != "" {
		t.Errorf("above the root is %+v", top)
	}
}

func TestOtherGrammars(t *testing.T) {
	for _, c := range []struct {
		name  string
		parse func(string) (Path, error)
		path  string
		kind  PathKind
	}{
		{"schema", ParseSchemaPath, "Device.LocalAgent.Subscription.{i}.", InstancePath},
		{"schema", ParseSchemaPath, "Device.LocalAgent.Controller.{i}.MTP.{i}.Enable", ParameterPath},
		{"schema", ParseSchemaPath, "Device.LocalAgent.Controller.1.", InstancePath},
		{"schema", ParseSchemaPath, "Device.Reboot()", CommandPath},
		{"relative", ParseRelativePath, "Status", ParameterPath},
		{"relative", ParseRelativePath, "Stats.BytesSent", ParameterPath},
		{"relative", ParseRelativePath, "RouteHops.1.Host", ParameterPath},
		{"relative", ParseRelativePath, "Reset()", CommandPath},
		{"relative", ParseRelativePath, "Boot!", EventPath},
		{"relative", ParseRelativePath, `Sub.[A=="b"].`, InstancePath},
		{"relative schema", ParseRelativeSchemaPath, "RouteHops.{i}.Host", ParameterPath},
		{"reference", ParseReference, "Device.IP.Interface.1.", InstancePath},
		{"reference", ParseReference, "Device.IP.Interface.1", InstancePath},
		{"reference", ParseReference, `Device.IP.Interface.[Name=="x"]`, InstancePath},
		{"reference", ParseReference, "Device.DeviceInfo", ObjectPath},
	} {
		p, err := c.parse(c.path)
		if err != nil || p.Kind != c.kind {
			t.Errorf("%s %s: want an %s, got an %s, %v", c.name, c.path, c.kind, p.Kind, err)
		}
	}
	for _, c := range []struct {
		name  string
		parse func(string) (Path, error)
		path  string
	}{
		{"schema", ParseSchemaPath, "Device.LocalAgent.Subscription.*."},
		{"schema", ParseSchemaPath, `Device.X.[A=="b"].`},
		{"schema", ParseSchemaPath, "Device.X.Ref+.Y"},
		{"relative", ParseRelativePath, ""},
		{"relative", ParseRelativePath, "1.Host"},
		{"relative", ParseRelativePath, "Hops.{i}.Host"},
		{"reference", ParseReference, ""},
	} {
		if p, err := c.parse(c.path); err == nil {
			t.Errorf("%s %q: want an error, got an %s", c.name, c.path, p.Kind)
		}
	}
}

func mustParse(t *testing.T, path string) Path {
	t.Helper()
	p, err := ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSplitName(t *testing.T) {
	for path, want := range map[string][2]string{
		"Device.X.1.Y": {"Device.X.1.", "Y"}, "Device.Boot!": {"Device.", "Boot!"}, "Device.X.": {"Device.X.", ""}, "Name": {"", "Name"}, "": {},
	} {
		if object, name := SplitName(path); object != want[0] || name != want[1] {
			t.Errorf("%q: got %q and %q", path, object, name)
		}
	}
}
