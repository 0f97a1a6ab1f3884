package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
)

// schemaFile is the JSON Schema beside a DUT file.
const schemaFile = "dut.schema.json"

// initFlags are the flags of "usptest init", and what an operator answered instead of them.
type initFlags struct {
	out                                                          string
	force, detect                                                bool
	links                                                        []string
	vendor, model, software, endpoint                            string
	bind, authority, agentTopic, controllerTopic, user, password string
	image                                                        string
	files, env                                                   []string // NAME=VALUE
	launch                                                       []string
}

func initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [-- [COMMAND] [ARGUMENT...]]",
		Short: "Write a DUT file for your device, with what the device reports",
		Long: `init writes a DUT file with a comment for every key, and beside it the JSON Schema with which editors complete it.
On a terminal it asks for what the flags leave open.

With --detect it then listens on the first link, launches the device if a command is given after -- or a container is
named, waits for it and reads its identity and its supported data model: features that it shows are declared, and elements of the plan's
procedures that it lacks get a substitute. Nothing on the device is changed. Without contact, the file stays as it was written.

The command, the values of --env and the files of --file are templates over what usptest chooses for a run, such as
{{.Host}}, {{.Port}}, {{.AgentTopic}} and {{.Dir}}; docs/dut-file.md has all of them.`,
		Example: `  usptest init
  usptest init --link mqtt5:1883 --endpoint os::012345-A1B2C3 --bind 192.168.1.2 --detect
  usptest init --link ws://192.168.1.1:5683/usp --endpoint os::012345-A1B2C3 --detect --out gateway.yaml
  usptest init --link unix:/var/run/usp/agent --endpoint os::012345-A1B2C3 --detect
  usptest init --link mqtt5 --link stomp --endpoint 'proto::agent-{{.Instance}}' --detect \
    --file agent.conf=agent.conf.template -- ./agent -c '{{.Dir}}/agent.conf'
  usptest init --link mqtt5 --endpoint 'proto::agent-{{.Instance}}' --detect --container acme/agent:4.2 -- \
    --broker '{{.Host}}:{{.Port}}'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at > 0 || at < 0 && len(args) > 0 {
				return fmt.Errorf("argument %q: the only argument is the command that starts the device, after --", args[0])
			}
			f.launch = args
			return f.run(cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "lab.yaml", "DUT `file` to write")
	flags.BoolVar(&f.force, "force", false, "replace a file that is there")
	flags.BoolVar(&f.detect, "detect", false, "connect to the device and read identity, features and elements from it")
	flags.StringArrayVar(&f.links, "link", nil, "`link`: mqtt5, mqtt3, stomp or websocket, each with or without +tls, and :PORT where "+
		"usptest listens; uds, and :PATH of the socket there; or where "+
		"a device that is a server listens, as ws://HOST:PORT/PATH or unix:PATH; repeatable")
	flags.StringVar(&f.endpoint, "endpoint", "", "Endpoint `ID` of the device's Agent")
	flags.StringVar(&f.vendor, "vendor", "", "`name` of the device's vendor")
	flags.StringVar(&f.model, "model", "", "the device's model `name`")
	flags.StringVar(&f.software, "software", "", "`version` of the device's software")
	flags.StringVar(&f.bind, "bind", "", "IP `address` of this computer that the device can reach (default 127.0.0.1)")
	flags.StringVar(&f.authority, "authority", "", "`folder` made by usptest certs, whose authority the device trusts, for links with TLS")
	flags.StringVar(&f.agentTopic, "agent-topic", "", "MQTT `topic` or STOMP destination where the device listens")
	flags.StringVar(&f.controllerTopic, "controller-topic", "", "MQTT `topic` or STOMP destination where usptest listens")
	flags.StringVar(&f.user, "username", "", "`name` that the device logs in with")
	flags.StringVar(&f.password, "password", "", "`password` that the device logs in with, such as {{env \"LAB_PASSWORD\"}}")
	flags.StringVar(&f.image, "container", "", "`image` of a container that is the device; what follows -- is passed to it")
	flags.StringArrayVar(&f.files, "file", nil, "`NAME=TEMPLATE`: a file of the device's directory, and the path of its template; repeatable")
	flags.StringArrayVar(&f.env, "env", nil, "`NAME=VALUE` of the device's environment; repeatable")
	must(cmd.MarkFlagFilename("out", "yaml", "yml"))
	must(cmd.MarkFlagDirname("authority"))
	must(cmd.RegisterFlagCompletionFunc("link", cobra.FixedCompletions(linkNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func (f *initFlags) run(cmd *cobra.Command) error {
	p, err := plan.Load()
	if err != nil {
		return err
	}
	if _, err := os.Stat(f.out); err == nil && !f.force {
		return fmt.Errorf("%s already exists; --force replaces it, --out names another", f.out)
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		if err := f.ask(cmd, &prompt{bufio.NewReader(cmd.InOrStdin()), cmd.OutOrStdout()}); err != nil {
			return err
		}
	}
	if missing := f.missing(); len(missing) > 0 {
		return fmt.Errorf("missing: %s; on a terminal init asks for it", strings.Join(missing, ", "))
	}
	if !f.launches() && len(f.files)+len(f.env) > 0 {
		return errors.New("--file and --env are for a device that usptest starts: give the command after --, or --container")
	}
	file, err := f.file()
	if err != nil {
		return err
	}
	// first of all, so that no answer is lost when there is no contact
	if err := f.write(cmd.OutOrStdout(), p, file, nil); err != nil {
		return err
	}
	if err := writeSchema(cmd.OutOrStdout(), filepath.Join(filepath.Dir(f.out), schemaFile), p); err != nil {
		return err
	}
	if f.detect {
		unsure, err := f.fill(cmd.Context(), cmd.OutOrStdout(), p, file)
		if err != nil {
			return f.undetected(err)
		}
		if err := f.write(cmd.OutOrStdout(), p, file, unsure); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "next: usptest check --dut %s\n", f.out)
	return nil
}

// write writes the DUT file; unsure are features of which the device says nothing.
func (f *initFlags) write(w io.Writer, p *plan.Plan, file *dut.File, unsure map[int]string) error {
	text := file.Write(p, "./"+schemaFile, unsure)
	if _, err := dut.Parse(f.out, text, p, time.Now()); err != nil {
		return err
	}
	if err := writeFile(f.out, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	fmt.Fprintf(w, "%s: written\n", f.out)
	return nil
}

// undetected adds to the error of a failed contact what the user has, and the way on.
func (f *initFlags) undetected(err error) error {
	var exit *exitError
	if !errors.As(err, &exit) || exit.err == nil {
		return err
	}
	return &exitError{exit.code, fmt.Errorf("%w\n%s has your settings, but nothing from the device: correct it and try usptest check "+
		"--dut %s; "+
		"then declare features and identity by hand, or repeat init with --force", exit.err, f.out, f.out)}
}

// missing are the flags without which there is no DUT file.
func (f *initFlags) missing() []string {
	var missing []string
	need := func(flag, value string) {
		if value == "" {
			missing = append(missing, flag)
		}
	}
	need("--link", strings.Join(f.links, ""))
	need("--endpoint", f.endpoint)
	if !f.detect {
		for flag, value := range map[string]string{"--vendor": f.vendor, "--model": f.model, "--software": f.software} {
			need(flag, value)
		}
		if len(missing) > 0 {
			slices.Sort(missing)
			missing[len(missing)-1] += " (or --detect instead of --vendor, --model and --software)"
		}
	}
	return missing
}

// file is the DUT file that the flags describe. What only the device knows is still a guess.
func (f *initFlags) file() (*dut.File, error) {
	file := &dut.File{
		Path: f.out,
		Device: dut.Identity{Vendor: cmp.Or(f.vendor, "unknown"), Model: cmp.Or(f.model, "unknown"),
			Software: cmp.Or(f.software, "unknown"), Endpoint: f.endpoint},
		Bind:     f.bind,
		TLS:      dut.TLSSpec{Authority: f.authority},
		Lab:      dut.LabSpec{Reboot: dut.Hook{By: dut.ByUSP}, FactoryReset: dut.Hook{By: dut.ByHand}, Power: dut.Hook{By: dut.ByHand}},
		Elements: map[string]string{},
	}
	if f.launches() {
		file.Lab.Launch = &dut.Launch{Image: f.image, Exec: f.launch}
		var err error
		if file.Lab.Launch.Env, err = pairs("--env", f.env); err != nil {
			return nil, err
		}
		if file.Lab.Launch.Files, err = pairs("--file", f.files); err != nil {
			return nil, err
		}
		file.Lab.FactoryReset.By, file.Lab.Power.By = dut.ByLaunch, dut.ByLaunch
	}
	for _, text := range f.links {
		l, err := f.link(text)
		if err != nil {
			return nil, err
		}
		file.Links = append(file.Links, l)
	}
	file.SetDefaults()
	return file, nil
}

// launches reports whether usptest starts the device.
func (f *initFlags) launches() bool { return f.image != "" || len(f.launch) > 0 }

// pairs reads the values of a flag that are NAME=VALUE each. A value may have commas and further equals signs.
func pairs(flag string, texts []string) (map[string]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	all := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := all[name]; !ok || name == "" || twice {
			return nil, fmt.Errorf("%s %q: want NAME=VALUE, each name once", flag, text)
		}
		all[name] = value
	}
	return all, nil
}

// link reads a value of --link. A device that runs by itself gets a port, topics and destinations that stay the same.
func (f *initFlags) link(text string) (dut.LinkSpec, error) {
	if strings.HasPrefix(text, "ws://") || strings.HasPrefix(text, "wss://") {
		return dut.LinkSpec{MTP: dut.WebSocket, Role: dut.RoleServer, URL: text, TLS: strings.HasPrefix(text, "wss://")}, nil
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return dut.LinkSpec{MTP: dut.UDS, Role: dut.RoleServer, Path: path}, nil
	}
	name, port, hasPort := strings.Cut(text, ":")
	if name == "uds" {
		return dut.LinkSpec{MTP: dut.UDS, Path: port}, nil
	}
	usual, ok := map[string]struct {
		dut.LinkSpec
		port, tlsPort int
		topics        string // before the names of topics or destinations; "" where there is no broker
	}{
		"mqtt5":     {dut.LinkSpec{MTP: dut.MQTT, Version: "5.0"}, 1883, 8883, "usptest/"},
		"mqtt3":     {dut.LinkSpec{MTP: dut.MQTT, Version: "3.1.1"}, 1884, 8884, "usptest/"},
		"stomp":     {dut.LinkSpec{MTP: dut.STOMP}, 61613, 61614, "/queue/usptest/"},
		"websocket": {dut.LinkSpec{MTP: dut.WebSocket}, 8080, 8443, ""},
	}[strings.TrimSuffix(name, "+tls")]
	if !ok {
		return dut.LinkSpec{}, fmt.Errorf("--link %q: want %s, optionally with :PORT, or of uds :PATH; or where "+
			"a device listens, such as ws://192.168.1.1:5683/usp or unix:/var/run/usp/agent", text, strings.Join(linkNames(), ", "))
	}
	l := usual.LinkSpec
	l.TLS = strings.HasSuffix(name, "+tls")
	if usual.topics != "" {
		l.Username, l.Password, l.AgentTopic, l.ControllerTopic = f.user, f.password, f.agentTopic, f.controllerTopic
	}
	if hasPort {
		var err error
		if l.Port, err = strconv.Atoi(port); err != nil {
			return l, fmt.Errorf("--link %q: want a number after the colon, the port on which usptest listens", text)
		}
	}
	if f.launches() {
		return l, nil
	}
	if !hasPort {
		if l.Port = usual.port; l.TLS {
			l.Port = usual.tlsPort
		}
	}
	if usual.topics != "" {
		l.AgentTopic = cmp.Or(l.AgentTopic, usual.topics+"agent")
		l.ControllerTopic = cmp.Or(l.ControllerTopic, usual.topics+"controller")
	}
	return l, nil
}

// fill connects to the device over the first link and fills in what it reports. unsure are the features that it does not show either way.
func (f *initFlags) fill(ctx context.Context, w io.Writer, p *plan.Plan, file *dut.File) (unsure map[int]string, err error) {
	trial, err := dut.Parse(f.out, file.Write(p, schemaFile, nil), p, time.Now())
	if err != nil {
		return nil, err
	}
	link := file.Links[0].Name()
	fmt.Fprintf(w, "%s: waiting for the device, %s at most; Ctrl-C stops waiting and leaves the file as it is\n", link, trial.Waits.Connect)
	found, err := runner.Preflight(ctx, p, trial, link, "")
	if err != nil {
		if ctx.Err() != nil {
			return nil, &exitError{result.ExitInterrupted, nil}
		}
		return nil, &exitError{result.ExitError, fmt.Errorf("%s: %w", link, err)}
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(w, "%s: %s\n", link, result.VisibleLine(fmt.Sprintf(format, args...)))
	}
	told := found.Device
	say("contact with %s (%s %s, software %q)", told.Endpoint, told.Vendor, told.Model, told.Software)
	id := &file.Device
	for _, v := range []struct {
		key, flag, told string
		into            *string
	}{{"vendor", f.vendor, told.Vendor, &id.Vendor}, {"model", f.model, told.Model, &id.Model}, {"software", f.software, told.Software, &id.Software}} {
		if v.flag != "" {
			continue
		}
		if text := strings.TrimSpace(result.VisibleLine(v.told)); text != "" {
			*v.into = text
			continue
		}
		say("the device does not report its %s; write it into the file as device.%s", v.key, v.key)
	}
	if found.Blind != "" {
		say("%s; declare features and elements by hand", found.Blind)
		return nil, nil
	}
	unsure = map[int]string{}
	for _, row := range found.Features {
		switch feature, _ := p.Feature(row.Number); {
		case feature.Status == plan.FeatureRemoved:
		case row.Detected == string(plan.Yes):
			file.Features = append(file.Features, row.Number)
		case row.Detected == string(plan.Unknown):
			unsure[row.Number] = row.Why
			say("feature %d (%s) is not declared: %s; declare it if the device has it", row.Number, row.Name, row.Why)
		}
	}
	elements, lacking := dut.SuggestElements(found.Model)
	file.Elements = elements
	say("%d features shown, %d elements substituted", len(file.Features), len(elements))
	for _, r := range lacking {
		say("the device has no %s, and init knows no substitute; name %s as elements.%s, or cases that need it end in an error", r.Default, r.Text, r.Name)
	}
	return unsure, nil
}

// writeSchema writes the schema of DUT files, unless something else is there.
func writeSchema(w io.Writer, path string, p *plan.Plan) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Contains(old, []byte(dut.SchemaID)) {
		fmt.Fprintf(w, "%s: exists and is not a schema of DUT files; left alone\n", path)
		return nil
	}
	text, err := dut.SchemaDocument(p)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: written, the schema with which editors complete and check it\n", path)
	return writeFile(path, func(w io.Writer) error { _, err := w.Write(text); return err })
}

// ask has the operator say what no flag did.
func (f *initFlags) ask(cmd *cobra.Command, q *prompt) error {
	given := cmd.Flags().Changed
	any := func(string) error { return nil }
	filled := func(s string) error {
		if s == "" {
			return errors.New("it cannot be empty")
		}
		return nil
	}
	var links, command, detect string
	mtp := func(kinds ...string) func() bool { // whether one of the links is of such a kind
		return func() bool {
			return slices.ContainsFunc(append(slices.Clone(f.links), strings.Fields(links)...), func(name string) bool {
				l, err := f.link(name)
				return err == nil && (slices.Contains(kinds, l.MTP) || l.TLS && slices.Contains(kinds, "tls"))
			})
		}
	}
	broker, tls := mtp(dut.MQTT, dut.STOMP), mtp("tls")
	alone := func() bool { return !f.launches() && strings.TrimSpace(command) == "" }
	unless := func(flag string, more ...func() bool) func() bool {
		return func() bool {
			return !given(flag) && !slices.ContainsFunc(more, func(also func() bool) bool { return !also() })
		}
	}
	for _, question := range []struct {
		when      func() bool
		text, def string
		into      *string
		valid     func(string) error
	}{
		{unless("endpoint"), "Endpoint ID of the device's Agent, such as os::012345-A1B2C3", "", &f.endpoint, func(s string) error {
			_, err := (&dut.File{Device: dut.Identity{Endpoint: s}}).AgentID(1)
			return err
		}},
		{unless("link"), "Links, with blanks between: mqtt5, mqtt3, stomp, websocket, each with or without +tls, uds:PATH, " +
			"or ws:// URL or unix:PATH of the device",
			"mqtt5", &links, func(s string) error {
				for name := range strings.FieldsSeq(s) {
					if _, err := f.link(name); err != nil {
						return err
					}
				}
				return filled(s)
			}},
		{func() bool { return !f.launches() }, "Command with which usptest starts the device; nothing when it runs by itself", "", &command, any},
		{unless("agent-topic", broker, alone), "MQTT topic or STOMP destination where the device listens; nothing for [/queue/]usptest/agent", "",
			&f.agentTopic, any},
		{unless("controller-topic", broker, alone),
			"MQTT topic or STOMP destination where usptest listens; nothing for [/queue/]usptest/controller", "", &f.controllerTopic, any},
		{unless("username", broker), "Name that the device logs in with; nothing without a login", "", &f.user, any},
		{unless("password", broker, func() bool { return f.user != "" }),
			"Its password; {{env \"LAB_PASSWORD\"}} takes it from the environment", "",
			&f.password, any},
		{unless("authority", tls, alone), "Folder made by usptest certs, whose authority the device trusts", "", &f.authority, filled},
		{unless("bind"), "Address of this computer that the device can reach", "127.0.0.1", &f.bind, filled},
		{unless("detect"), "Connect to the device now, and read identity, features and elements from it? (yes, no)", "yes", &detect,
			func(s string) error {
				if s != "yes" && s != "no" {
					return errors.New("want yes or no")
				}
				return nil
			}},
	} {
		if !question.when() {
			continue
		}
		answer, err := q.ask(question.text, question.def, question.valid)
		if err != nil {
			return err
		}
		*question.into = answer
	}
	f.links = append(f.links, strings.Fields(links)...)
	f.launch = append(f.launch, strings.Fields(command)...)
	f.detect = f.detect || detect == "yes"
	for _, id := range []struct {
		flag, text string
		into       *string
	}{{"vendor", "Vendor", &f.vendor}, {"model", "Model", &f.model}, {"software", "Software version", &f.software}} {
		if f.detect || given(id.flag) {
			continue
		}
		var err error
		if *id.into, err = q.ask(id.text, "", filled); err != nil {
			return err
		}
	}
	return nil
}

// prompt asks an operator.
type prompt struct {
	in  *bufio.Reader
	out io.Writer
}

// ask asks until the answer is valid. An empty one means def.
func (p *prompt) ask(text, def string, valid func(string) error) (string, error) {
	if def != "" {
		text += " [" + def + "]"
	}
	for {
		fmt.Fprintf(p.out, "%s: ", text)
		line, err := p.in.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("no answer to %q: %w", text, err)
		}
		answer := cmp.Or(strings.TrimSpace(line), def)
		if err := valid(answer); err != nil {
			fmt.Fprintln(p.out, err)
			continue
		}
		return answer, nil
	}
}
