package functionality

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

const (
	localAgent       = harness.LocalAgent
	addCertificate   = localAgent + "AddCertificate()"
	certificateTable = localAgent + "Certificate."
	credentialTable  = localAgent + "ControllerTrust.Credential."
	stranger         = "a certificate of the new authority" // what the Link shows
)

// certificateAdded is 9.2: a device that is given the certificate of an authority, and is to trust it, takes what that one has signed.
func certificateAdded(c *harness.Case) {
	alias := c.Fresh("certificate-" + strings.ToLower(rand.Text()[:10])) // a run that was cut off may have left one
	authority, shown := c.NewAuthority()
	c.Cleanup("delete the certificates of the case", func(ctx context.Context) error { return deleteCertificates(ctx, c, alias) })
	c.Cleanup("show the device the certificate that it trusts", c.ConnectAnew)
	before := tryCertificate(c, shown, 2)
	if before.Session != nil {
		c.Note("the device takes a certificate of an authority that it does not know, so that metric 2 shows nothing")
	}
	c.DeviceMust(wayBack(c))

	c.Step(1, "operate %s with the certificate of a new authority", addCertificate)
	added := c.Agent.Operate(c, addCertificate, "", usp.Params{"Alias": alias, "Certificate": authority})
	if !c.Metric(1, func(m *harness.Metric) { m.Must(completed(added, addCertificate), added.Evidence()) }) {
		return
	}
	row, credential, trusted := certificateRow(c, alias), "", false
	untrusted := "the device refuses what was added, and has no ControllerTrust.Credential that a Controller can change so that it is trusted"
	if row == "" {
		untrusted = "the device does not list what was added under its Alias, so that nothing can refer to it"
	}
	strict := c.Strict("trust-is-made-apart")
	if row != "" && !strict {
		credential, trusted = trust(c, row)
		c.Cleanup("show the device the certificate that it trusts", c.ConnectAnew)
	}
	c.Step(2, "show %s", stranger)
	c.Step(3, "wait for the device to connect again")
	switch attempt := tryCertificate(c, shown, 2); {
	case attempt.Session == nil && !trusted && !strict:
		c.NotApplicable(2, untrusted)
		c.DeviceMust(wayBack(c))
	case !c.Metric(2, func(m *harness.Metric) {
		m.Saw(attempt.Seq)
		if attempt.Session == nil && trusted {
			m.Must(wayBack(c))
			attempt = tryFromBoot(c, shown)
			m.Saw(attempt.Seq)
			m.Note("the device was rebooted for it")
		}
		if attempt.Session == nil {
			m.Must(&usp.Mismatch{Where: "TLS with " + stranger, Want: "a session", Got: attempt.Text})
		}
		_, err := c.Reconnected(attempt.Session.Seq - 1)
		m.Must(err)
	}):
		return
	}

	c.Step(4, "get %s", certificateTable)
	got := c.Agent.Get(c, certificateTable)
	if !c.Metric(3, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		m.Must(expect.Contains("Alias of the rows", []string{alias}, aliases(got)))
	}) {
		return
	}
	judgeKeys(c, alias, authority)

	c.Step(5, "operate Delete() of %s", row)
	answers := !c.Strict("certificate-delete-without-response")
	deleted := c.Agent.Do(c, usp.NewOperate(c.Agent.NewMsgID(), row+"Delete()", "", answers, nil))
	if !c.Metric(4, func(m *harness.Metric) { m.Must(completed(deleted, row+"Delete()"), deleted.Evidence()) }) {
		return
	}
	judgeDeletion(c, row, credential)
	if before.Session == nil {
		c.Beyond("TR-181, Certificate.{i}.Delete()", func(m *harness.Metric) {
			after := tryCertificate(c, shown, 2)
			if after.Session != nil {
				c.DeviceMust(wayBack(c))
				after = tryFromBoot(c, shown)
			}
			if after.Session != nil {
				m.Must(expect.Nothing("session over TLS by an authority whose certificate was deleted", after.Text), after.Seq)
			}
		})
	}
}

// tryCertificate shows a certificate, and returns the first attempt of the device that has become a session, or the last one.
func tryCertificate(c *harness.Case, certificate *tls.Certificate, attempts int) harness.Attempt {
	attempt, err := c.Attempts(c.Present(certificate, stranger), attempts)
	c.DeviceMust(err)
	return attempt
}

// tryFromBoot is tryCertificate after a reboot, with which an Agent at last has to apply a change of whom it trusts (TR-369, Application
// of Modified Parameters).
func tryFromBoot(c *harness.Case, certificate *tls.Certificate) harness.Attempt {
	attempt, err := c.Attempts(c.PresentFromBoot(certificate, stranger), 5)
	c.DeviceMust(err)
	return attempt
}

// wayBack shows the device the certificate that it has trusted all along.
func wayBack(c *harness.Case) error {
	_, err := c.Reconnected(c.Present(nil, "its own certificate"))
	return err
}

// completed wants a command that has no output arguments to have succeeded.
func completed(reply *controller.Reply, command string) error {
	result, err := expect.OneOperation(reply, command)
	if err != nil {
		return err
	}
	return expect.OutputArgs(result)
}

// certificateRow is the row of the certificate with an Alias, "" when there is none.
func certificateRow(c *harness.Case, alias string) string {
	values, _ := c.ReadAll(certificateTable) // which a metric judges
	for _, path := range values.Names() {
		if object, name := usp.SplitName(path); name == "Alias" && values[path] == alias {
			return object
		}
	}
	return ""
}

// aliases are those of the certificates in a GetResp.
func aliases(got *controller.Reply) (all []string) {
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for _, r := range q.GetResolvedPathResults() {
			if alias, ok := r.GetResultParams()["Alias"]; ok {
				all = append(all, alias)
			}
		}
	}
	return all
}

// trust has the device trust a certificate that was added, as TR-181 says: by a row of ControllerTrust.Credential, which the device may
// have made itself, or by Credential of the harness's Controller. It returns the parameter that refers to the certificate. must reports
// whether the device has to trust what this certificate has signed: the latter names what a Controller presents, not who has signed it.
func trust(c *harness.Case, row string) (credential string, must bool) {
	certificate := expect.WithoutDot(row)
	enable := func(object string, now string) {
		if on, err := usp.ParseBool(now); err == nil && !on {
			c.Set(object, usp.Params{"Enable": "true"})
		}
	}
	if now, err := c.Read(row + "Enable"); err == nil {
		enable(row, now)
	}
	rows, _ := c.ReadAll(credentialTable) // which a device need not have
	for _, path := range rows.Names() {
		object, name := usp.SplitName(path)
		if name == "Credential" && expect.WithoutDot(rows[path]) == certificate {
			enable(object, rows[object+"Enable"])
			return path, true
		}
	}
	controllerRow, err := c.ControllerRow()
	c.DeviceMust(err)
	role, _ := c.Read(controllerRow + "AssignedRole")
	added := c.Agent.Add(c, false, usp.Create(credentialTable, usp.Params{"Credential": certificate, "Enable": "true"},
		usp.Params{"AllowedUses": "MTP-and-USP", "Role": role}))
	c.Owns(added)
	if created, err := expect.OneCreated(added); err == nil {
		return created.Path + "Credential", true
	}
	have, err := c.Read(controllerRow + "Credential")
	if err != nil {
		return "", false
	}
	c.Restore(controllerRow, "Credential")
	c.Agent.Set(c, false, usp.Update(controllerRow, usp.Params{"Credential": strings.TrimPrefix(have+","+certificate, ",")}, nil))
	return controllerRow + "Credential", false
}

// judgeKeys wants neither the same certificate nor another one under the same Alias to be added.
func judgeKeys(c *harness.Case, alias, authority string) {
	mustFail := func(m *harness.Metric, alias, certificate string) {
		again := c.Agent.Operate(c, addCertificate, "", usp.Params{"Alias": alias, "Certificate": certificate})
		if again.Message != nil && completed(again, addCertificate) == nil {
			m.Must(&usp.Mismatch{Where: addCertificate, Want: "a failure", Got: "req_output_args"}, again.Evidence())
		}
	}
	c.Beyond("TR-181, AddCertificate()", func(m *harness.Metric) { mustFail(m, alias+"-again", authority) })
	c.Beyond("TR-181, AddCertificate() Alias", func(m *harness.Metric) {
		other, _ := c.NewAuthority()
		mustFail(m, alias, other)
	})
}

// judgeDeletion wants a certificate that was deleted not to be listed or referred to.
func judgeDeletion(c *harness.Case, row, credential string) {
	c.Beyond("TR-181, Certificate.{i}.Delete()", func(m *harness.Metric) {
		got := c.Agent.Get(c, certificateTable)
		for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
			for _, r := range q.GetResolvedPathResults() {
				if r.GetResolvedPath() == row {
					m.Must(expect.Nothing("rows of "+certificateTable+" after Delete()", row), got.Evidence())
				}
			}
		}
		if credential == "" {
			return
		}
		refers, _ := c.Read(credential) // its row may be gone
		if slices.Contains(strings.Split(refers, ","), expect.WithoutDot(row)) {
			m.Must(expect.Nothing(credential+": reference to a certificate that was deleted", refers))
		}
	})
}

// deleteCertificates deletes what the case has added, whose Alias begins with alias. Those of other runs stay: devices that run at the same
// time may share them.
func deleteCertificates(ctx context.Context, c *harness.Case, alias string) error {
	got := c.Agent.Get(ctx, certificateTable)
	if err := expect.Type(got, usp.GetResp); err != nil {
		return err
	}
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for _, r := range q.GetResolvedPathResults() {
			if strings.HasPrefix(r.GetResultParams()["Alias"], alias) {
				if err := completed(c.Agent.Operate(ctx, r.GetResolvedPath()+"Delete()", "", nil), r.GetResolvedPath()+"Delete()"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
