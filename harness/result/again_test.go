package result

import "testing"

func TestAgainFor(t *testing.T) {
	one, two := []Link{{Link: "mqtt5"}}, []Link{{Link: "mqtt5"}, {Link: "stomp"}}
	for _, c := range []struct {
		run  Run
		want string
	}{
		{Run{Links: one}, "usptest run 1.1"},
		{Run{Links: two}, "usptest run --link mqtt5 1.1"},
		{Run{Links: one, AgainCase: []string{"usptest", "run", "--dut", "my lab's.yaml"}}, `usptest run --dut 'my lab'\''s.yaml' 1.1`},
		{Run{Links: one, AgainCase: []string{"usptest", "run", "--dut", "$(reboot)"}}, `usptest run --dut '$(reboot)' 1.1`},
	} {
		if got := c.run.AgainFor("mqtt5", "1.1"); got != c.want {
			t.Errorf("want %s, got %s", c.want, got)
		}
	}
}
