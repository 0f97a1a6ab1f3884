package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/fixtures/agent"
	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/model"
)

// agentFlags are the flags of "usptest agent".
type agentFlags struct {
	link, trust, certificate, key string
	mtp                           agent.MTP
	config                        agent.Config
	defects, models               []string
	list                          bool
	verbose                       bool
}

func agentCommand() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the reference USP Agent by itself",
		Long: `agent runs the reference agent in the foreground until it is interrupted. It exits with code 0 after Device.Reboot() or
Device.FactoryReset(): start it again with the same --state to let it come back.`,
		Example: `  usptest agent --link mqtt5 --host 127.0.0.1 --port 1883
  usptest agent --list-defects`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.link, "link", "mqtt5", "`link`: mqtt5, mqtt3, stomp or websocket, each with or without +tls, or uds")
	flags.StringVar(&f.mtp.Host, "host", "127.0.0.1", "`host` of the broker or Controller")
	flags.IntVar(&f.mtp.Port, "port", 0, "`port` of the broker or Controller (default: that of the protocol)")
	flags.BoolVar(&f.mtp.Listen, "listen", false, "act as the server of the WebSocket or Unix domain socket instead of the client")
	flags.StringVar(&f.mtp.Path, "path", "/usp", "WebSocket `path`, or that of the Unix domain socket")
	flags.StringVar(&f.mtp.AgentTopic, "agent-topic", "usptest/agent", "`topic` or destination of the agent")
	flags.StringVar(&f.mtp.ControllerTopic, "controller-topic", "usptest/controller", "`topic` or destination of the Controller")
	flags.StringVar(&f.mtp.Username, "username", "", "user `name` for the broker")
	flags.StringVar(&f.mtp.Password, "password", "", "`password` for the broker")
	flags.StringVar(&f.config.EndpointID, "endpoint", "proto::usptest-agent", "Endpoint `ID` of the agent")
	flags.StringVar(&f.config.ControllerID, "controller", "self::usptest", "Endpoint `ID` of its Controller")
	flags.StringVar(&f.config.StateFile, "state", "", "`file` that keeps the data model over restarts")
	flags.StringVar(&f.trust, "trust", "", "PEM `file` of the CA to trust")
	flags.StringVar(&f.certificate, "certificate", "", "PEM `file` of the agent's certificate")
	flags.StringVar(&f.key, "key", "", "PEM `file` of the certificate's key")
	flags.StringVar(&f.config.Discover, "discover", "", "discover on this network `interface`, which loses its addresses and gets "+
		"others by DHCP (Linux, root)")
	flags.BoolVar(&f.config.NoTime, "no-time", false, "start without knowing the time")
	flags.Float64Var(&f.config.TimeScale, "timescale", 1, "divide every protocol interval by this `number`")
	flags.StringArrayVar(&f.defects, "defect", nil, "break the agent in this `way`; repeatable")
	flags.StringArrayVar(&f.models, "model", nil, "have the whole data model of this XML `file` or folder, a row in each table; repeatable")
	flags.BoolVar(&f.list, "list-defects", false, "list the defects with the metrics they break, the alternatives and the variants")
	flags.BoolVar(&f.verbose, "verbose", false, "log what the agent does to standard error")
	must(cmd.RegisterFlagCompletionFunc("defect", completeDefects))
	must(cmd.RegisterFlagCompletionFunc("link", cobra.FixedCompletions(linkNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func (f *agentFlags) run(cmd *cobra.Command) error {
	if f.list {
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tCASE/METRIC\tKIND\tWHAT IS DIFFERENT")
		for _, d := range slices.Concat(defects.Defects(), defects.ContactDefects(), defects.DescribedDefects(), defects.ProcessDefects(),
			defects.TroubleDefects(), defects.FloodDefects()) {
			fmt.Fprintf(t, "%s\t%s/%d\tdefect\t%s\n", d.Name, d.Case, d.Metric, d.Text)
		}
		for _, d := range defects.Alternatives() {
			fmt.Fprintf(t, "%s\t%s/%d\talternative\t%s\n", d.Name, d.Case, d.Metric, d.Text)
		}
		for _, d := range defects.Variants() {
			fmt.Fprintf(t, "%s\t-\tvariant\t%s\n", d.Name, d.Text)
		}
		return t.Flush()
	}
	if err := f.connect(); err != nil {
		return err
	}
	if f.verbose {
		f.config.Log = cmd.ErrOrStderr()
	}
	if err := reference.Known(f.defects); err != nil {
		return fmt.Errorf("--defect: %w", err)
	}
	if err := defects.Apply(&f.config, f.defects...); err != nil {
		return fmt.Errorf("--defect: %w", err)
	}
	if len(f.models) > 0 {
		m, _, err := model.Load(f.models...)
		if err != nil {
			return fmt.Errorf("--model: %w", err)
		}
		reference.Serve(&f.config, m)
	}
	a, err := agent.New(f.config)
	if err != nil {
		return err
	}
	err = a.Run(cmd.Context())
	if errors.Is(err, agent.ErrReboot) || errors.Is(err, agent.ErrFactoryReset) || cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// defaultPorts are the registered ports of the protocols, plain and with TLS.
func defaultPort(protocol string, secure bool) int {
	plain, withTLS := 80, 443
	switch protocol {
	case "mqtt":
		plain, withTLS = 1883, 8883
	case "stomp":
		plain, withTLS = 61613, 61614
	}
	if secure {
		return withTLS
	}
	return plain
}

// connect turns the flags into the agent's configuration.
func (f *agentFlags) connect() error {
	if !slices.Contains(linkNames(), f.link) {
		return fmt.Errorf("--link %q: want one of %s", f.link, strings.Join(linkNames(), ", "))
	}
	name, secure := strings.CutSuffix(f.link, "+tls")
	f.mtp.TLS = secure
	switch name {
	case "mqtt5":
		f.mtp.Protocol, f.mtp.Version = "mqtt", "5.0"
	case "mqtt3":
		f.mtp.Protocol, f.mtp.Version = "mqtt", "3.1.1"
	default:
		f.mtp.Protocol = name
	}
	if f.mtp.Port == 0 && name != "uds" {
		f.mtp.Port = defaultPort(f.mtp.Protocol, secure)
	}
	f.config.MTPs = []agent.MTP{f.mtp}
	if f.config.Discover != "" && !f.mtp.Listen {
		// an MTP of its own, which it advertises beside that of the broker
		f.config.MTPs = append(f.config.MTPs, agent.MTP{Protocol: "websocket", Listen: true, Host: "::", Port: defaultPort("websocket", secure), Path: "/usp", TLS: secure})
	}
	if f.trust != "" {
		pem, err := os.ReadFile(f.trust)
		if err != nil {
			return fmt.Errorf("--trust: %w", err)
		}
		f.config.TrustPEM = pem
	}
	if f.certificate != "" {
		pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
		if err != nil {
			return fmt.Errorf("--certificate and --key: %w", err)
		}
		f.config.Certificate = &pair
	}
	return nil
}
