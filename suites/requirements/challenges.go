package requirements

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// What a Controller does with Challenges.
const (
	trust             = localAgent + "ControllerTrust."
	challenges        = trust + "Challenge."
	requestChallenge  = trust + "RequestChallenge()"
	challengeResponse = trust + "ChallengeResponse()"
)

// The tries of the Challenge that the check adds, and how long it is locked after them.
const (
	allowedTries = 3
	lockout      = 10 * time.Minute
	// expiration is how long the device keeps the request that the check leaves behind.
	expiration = 2 * time.Minute
)

// challengeTries is R-SEC.16 and R-SEC.17. A second Controller tries, so that the harness's own keeps its Roles whatever the device makes
// of the values.
func challengeTries(c *harness.Case) {
	if !described(c, trust, "RequestChallenge()", "ChallengeResponse()") {
		c.Unsupported("the device has no " + requestChallenge + " and " + challengeResponse)
	}
	c.Step(1, "add a Role and a Challenge with it, and a second Controller")
	second, row := c.SecondController()
	role := c.Add(roles, usp.Params{"Enable": "true", "Name": c.Fresh("role")}, nil).Path
	c.Add(role+"Permission.", rights("rwxn", "rwxn", "rwxn", "rwxn"), usp.Params{"Enable": "true", "Order": "1", "Targets": "Device."})
	right, wrong := []byte(c.Fresh("right")), []byte(c.Fresh("wrong"))
	added := c.Agent.Add(c, false, usp.Create(challenges,
		usp.Params{"Enable": "true", "Role": expect.WithoutDot(role), "Type": "Passphrase", "Value": encoded(right)},
		usp.Params{"ValueType": "text/plain", "Instruction": encoded([]byte("usptest")),
			"InstructionType": "text/plain", "Retries": strconv.Itoa(allowedTries), "LockoutPeriod": strconv.Itoa(int(lockout.Seconds()))}))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		c.Unsupported("the device takes no further Challenge, and the right value of its own is not known: " + err.Error())
	}
	p := challenged{c: c, second: second, row: created.Path}

	c.Step(2, "request the Challenge, and answer it with its value")
	if _, err = p.request(); err != nil {
		c.Note("the first request is refused, perhaps since one of an earlier run is not answered: %v", err)
		c.Extend(expiration)
		err = c.Eventually(expiration, func() error { _, err := p.request(); return err })
	}
	c.DeviceMust(err)
	_, err = p.answer(right)
	c.DeviceMust(err)
	assigned, err := c.Read(row + "AssignedRole")
	c.DeviceMust(err)
	c.DeviceMust(expect.Contains(row+"AssignedRole after the answer", []string{expect.WithoutDot(role)}, items(assigned)))

	c.Step(3, "request the Challenge and answer it with another value, %d times", allowedTries+1)
	if _, err := c.Read(p.row + "Retries"); err != nil {
		c.Note("the device does not say how many tries it allows; %d are tried", allowedTries+1)
	}
	mark := c.Journal.Mark()
	var refused error
	var request journal.Mark
	taken := 0
	for range allowedTries + 1 { // whether the last that is allowed is counted or refused is open
		request, refused = p.request() // a device may have each try requested, and may refuse that once it is locked
		if _, err := p.answer(wrong); err == nil {
			taken++
		}
	}
	c.Step(4, "answer it with its value, request it, and answer it with its value again")
	reply, err := p.answer(right)
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Count("ChallengeResponse() with a wrong value: number of successes", 0, taken), mark)
		if err == nil {
			m.Must(&usp.Mismatch{Where: "ChallengeResponse() with the right value after " + strconv.Itoa(allowedTries+1) + " wrong ones",
				Want: "a failure", Got: "success"}, mark, reply.Evidence())
		}
		m.Note("%v", err)
	}) {
		return
	}
	if refused == nil {
		request, refused = p.request()
	}
	if refused != nil {
		c.Metric(2, func(m *harness.Metric) {
			m.Saw(request)
			m.Note("the device refuses RequestChallenge(): %v", refused)
		})
		return
	}
	reply, err = p.answer(right)
	c.Metric(2, func(m *harness.Metric) {
		if err == nil {
			const where = "ChallengeResponse() with the right value to a Challenge that was tried too often and requested again"
			m.Must(&usp.Mismatch{Where: where, Want: "a failure", Got: "success"}, request, reply.Evidence())
		}
		m.Saw(request, reply.Evidence())
		m.Note("%v", err)
	})
}

// challenged is a second Controller and the Challenge that it is given.
type challenged struct {
	c      *harness.Case
	second *controller.Controller
	row    string
	id     string // ChallengeID of the last request that was granted
}

// request requests the Challenge; an error says that the device refuses.
func (p *challenged) request() (evidence journal.Mark, err error) {
	out, reply, err := p.operate(requestChallenge, usp.Params{"ChallengeRef": expect.WithoutDot(p.row),
		"RequestExpiration": strconv.Itoa(int(expiration.Seconds()))})
	if err == nil {
		p.id = out["ChallengeID"]
	}
	return reply.Evidence(), err
}

// answer answers the Challenge with a value; an error says that the device refuses it.
func (p *challenged) answer(value []byte) (*controller.Reply, error) {
	_, reply, err := p.operate(challengeResponse, usp.Params{"ChallengeID": p.id, "Value": encoded(value)})
	return reply, err
}

// operate runs a command of the second Controller and returns its output arguments.
func (p *challenged) operate(command string, in usp.Params) (usp.Params, *controller.Reply, error) {
	reply := p.second.Operate(p.c, command, p.c.Fresh("challenge"), in)
	p.c.DeviceMust(reply.Err)
	result, err := expect.OneOperation(reply, command)
	if err != nil {
		return nil, reply, err
	}
	if f := result.GetCmdFailure(); f != nil {
		return nil, reply, expect.NoError("cmd_failure", f.GetErrCode(), f.GetErrMsg())
	}
	return result.GetReqOutputArgs().GetOutputArgs(), reply, nil
}

// encoded is a value of the type base64.
func encoded(value []byte) string { return base64.StdEncoding.EncodeToString(value) }

// described reports whether the supported data model of an object has some commands.
func described(c *harness.Case, object string, commands ...string) bool {
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{object}, FirstLevelOnly: true, ReturnCommands: true})
	found := 0
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			for _, command := range o.GetSupportedCommands() {
				for _, name := range commands {
					if o.GetSupportedObjPath() == object && command.GetCommandName() == name {
						found++
					}
				}
			}
		}
	}
	return found == len(commands)
}
