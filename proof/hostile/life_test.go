package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/agent"
	"github.com/usptest/usptest/fixtures/agent/firmware"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// ownVersion is the firmware that a device of lifeModes has, otherVersion the one that it can download.
const (
	ownVersion   = "1.0.0"
	otherVersion = "2.0.0"
)

// ofItsLife reports whether a mode is about bulk data or firmware: its device has both.
func (m mode) ofItsLife() bool {
	return strings.HasPrefix(m.in, "9.") || strings.HasPrefix(m.in, "10.")
}

// images is what the DUT file has for their firmware.
func images(t *testing.T) string {
	t.Helper()
	list := "fileServer: {scheme: http}\nfirmware:\n"
	for _, version := range []string{ownVersion, otherVersion} {
		file := filepath.Join(t.TempDir(), "image")
		writeFile(t, firmware.Image{Version: version, Content: make([]byte, mib/2)}.Bytes(), file)
		list += fmt.Sprintf("  - {file: %q, version: %q}\n", file, version)
	}
	return list
}

// lifeModes misbehave with reports and with firmware.
func lifeModes() map[string]mode {
	all := map[string]mode{
		"well-behaved with firmware": {in: "9.3", brief: true},
		"downloads 10 GB": {in: "9.3", brief: true, verdict: result.Fail, findings: "no OperationComplete Notify",
			seams: func(s *agent.Seams) {
				url := ""
				s.Arguments = func(command string, args map[string]string) {
					if strings.HasSuffix(command, ".Download()") {
						url = args["URL"]
					}
				}
				s.Firmware.Validated = func(error) error { hoard(url, 10<<30); return nil }
			}},
		"never ends a download": {in: "9.3", brief: true, verdict: result.Fail, findings: "no OperationComplete Notify",
			seams: func(s *agent.Seams) {
				s.Firmware.Validated = func(error) error { select {} } // the process is killed at the end
			}},
		"restarts without end": {in: "9.3", brief: true, verdict: result.Fail, findings: "no Device.Boot! Notify",
			seams: func(s *agent.Seams) {
				s.Booted = func(a *agent.Agent) {
					if a.Model().Value("Device.DeviceInfo.SoftwareVersion") == otherVersion {
						os.Exit(0)
					}
				}
			}},
		"boots the old image": {in: "9.3", brief: true, verdict: result.Fail, findings: "ActiveFirmwareImage",
			seams: func(s *agent.Seams) {
				s.Firmware.Boots = func(_, before string) string { return before }
				s.Notify = func(_ *agent.Agent, _ string, n *usppb.Notify) bool {
					if e := n.GetEvent(); e.GetEventName() == "Boot!" {
						e.Params["FirmwareUpdated"] = "true"
					}
					return true
				}
			}},
		"keeps the other image": {in: "9.3", brief: true,
			seams: func(s *agent.Seams) {
				s.Request = func(a *agent.Agent, req *usppb.Request, next func() *usppb.Msg) *usppb.Msg {
					if changes := req.GetSet() != nil || req.GetOperate() != nil; changes && a.Model().Value("Device.DeviceInfo.SoftwareVersion") == otherVersion {
						return usp.NewMsg("", &usppb.Error{ErrCode: uint32(usp.CodeRequestDenied), ErrMsg: "this image stays"})
					}
					return next()
				}
			}},
	}
	const tooLong, tooMuch = "the body has more than", "longer, with more values"
	plain := func(report func() io.Reader) func(*session, packet, *usppb.Msg) bool {
		return posts(func() (io.Reader, http.Header) { return report(), nil })
	}
	for name, m := range map[string]mode{
		"reports 200 MB":            {findings: tooLong, act: plain(func() io.Reader { return endless(200 * mib) })},
		"reports without end":       {findings: tooLong, act: plain(func() io.Reader { return endless(10 << 30) })},
		"reports a million rows":    {in: "10.3", findings: tooMuch, act: plain(func() io.Reader { return rows(1_000_000) })},
		"reports 250,000 values":    {findings: tooMuch, act: plain(func() io.Reader { return values(250_000) })},
		"reports what decodes huge": {findings: "decompresses to more than", act: posts(bomb)},
	} {
		if m.verdict, m.late = result.Fail, true; m.in == "" {
			m.in = "10.1"
		}
		m.waits = enablesProfile
		all[name] = m
	}
	return all
}

// enablesProfile matches the Set that enables bulk data and the profile of the case.
func enablesProfile(m *usppb.Msg) bool {
	objects := m.GetBody().GetRequest().GetSet().GetUpdateObjs()
	return len(objects) == 2 && objects[0].GetObjPath() == "Device.BulkData."
}

// reportURL is where the reports go of a profile that a Message adds; "" when it adds none over HTTP.
func reportURL(m *usppb.Msg) string {
	for _, o := range m.GetBody().GetRequest().GetAdd().GetCreateObjs() {
		for _, p := range o.GetParamSettings() {
			if p.GetParam() == "HTTP.URL" {
				return p.GetValue()
			}
		}
	}
	return ""
}

// posts sends the harness two reports of the profile of the case as soon as it is enabled.
func posts(report func() (io.Reader, http.Header)) func(*session, packet, *usppb.Msg) bool {
	return func(s *session, reply packet, _ *usppb.Msg) bool {
		if !s.bytes(reply.raw) {
			return false
		}
		s.mu.Lock()
		url := s.reports
		s.mu.Unlock()
		for range 2 {
			body, header := report()
			q, err := http.NewRequest(http.MethodPost, url, body)
			if err != nil {
				return false
			}
			q.Header.Set("Content-Type", "text/csv")
			for name, values := range header {
				q.Header[name] = values
			}
			if answer, err := http.DefaultClient.Do(q); err == nil {
				answer.Body.Close()
			}
		}
		return true
	}
}

// endless is a report whose one string has that many bytes.
func endless(bytes int64) io.Reader {
	return io.MultiReader(strings.NewReader(`{"Report":[{"UpTime":"`), io.LimitReader(letters{}, bytes))
}

// letters never ends.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// rows is CSV of one column.
func rows(n int) io.Reader { return strings.NewReader("UpTime\n" + strings.Repeat("1\n", n)) }

// values is JSON with the parameter that many times, in about 3 MiB: a million would be more than the collector takes.
func values(n int) io.Reader {
	return strings.NewReader(`{"Report":[{"UpTime":1` + strings.Repeat(`,"UpTime":1`, n) + `}]}`)
}

// bomb is a report of 2 GiB in some 2 MiB.
func bomb() (io.Reader, http.Header) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.Copy(z, endless(2<<30))
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err)
	}
	return &b, http.Header{"Content-Encoding": {"gzip"}}
}

// hoard downloads that many bytes of a file again and again, as far as the server lets it, and never says that it is done.
func hoard(url string, bytes int64) {
	for got := int64(0); got < bytes; {
		answer, err := http.Get(url)
		if err != nil {
			break
		}
		n, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if got += n; err != nil {
			break
		}
	}
	select {} // the process is killed at the end
}
