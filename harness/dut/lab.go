package dut

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// lab is what the lab can do.
func (d *fileDecoder) lab() kind {
	lab := &d.f.Lab
	return d.aMapping(
		field{"launch", false, "How usptest starts the device; without it the device runs by itself.", d.launch()},
		field{"reboot", false, "usp sends Device.Reboot(); manual asks you; launch starts the process again; or a command of yours", d.hook(&lab.Reboot, ByUSP, ByHand, ByLaunch)},
		field{"factoryReset", false, "usp sends Device.FactoryReset(); manual asks you; launch starts with an empty directory; or a command of yours", d.hook(&lab.FactoryReset, ByUSP, ByHand, ByLaunch)},
		field{"network", false, "the network in which discovery is tested; without it usptest makes one for a device that it launches as a process", d.aMapping(
			field{"interface", false, "the port of this computer that leads to the device and to nothing else: while these cases run, only usptest uses it; afterwards it gets its addresses back",
				d.aLine(&lab.Network.Interface)},
			field{"ip", false, "the IP version with which the device reaches usptest before it has discovered anything; 4 without this key",
				d.then(d.aNumber(&lab.Network.IP, 4, 6), func(v value) {
					if lab.Network.IP == 5 {
						d.add(v, "5", "4 or 6", "")
					}
				})},
		)},
		field{"time", false, "how to keep the time from the device, for the case in which it must not know the time; usptest reboots " +
			"it afterwards",
			d.time()},
		field{"power", false, "how to switch the device's power off and on", d.hook(&lab.Power, ByHand, ByLaunch)},
	)
}

// time is how to keep the time from the device.
func (d *fileDecoder) time() kind {
	t := &d.f.Lab.Time
	return d.aMapping(
		field{"block", true, "keep the device from learning the time, also from a clock of its own: manual asks you; " +
			"launch starts the process again, with {{.NoTime}} true; or a command of yours", d.hook(&t.Block, ByHand, ByLaunch)},
		field{"allow", true, "let the device learn the time again: as for block, with {{.NoTime}} false", d.hook(&t.Allow, ByHand, ByLaunch)},
	)
}

// launch is how to start the device.
func (d *fileDecoder) launch() kind {
	l := &Launch{Env: map[string]string{}, Files: map[string]string{}}
	k := d.aMapping(
		field{"exec", false, "the command and its arguments, templates; an argument that renders to nothing is left out. For a " +
			"container: what is passed to its image", d.command(&l.Exec)},
		field{"container", false, "the device as a Docker container, on the network of this computer, run as the user that runs " +
			"usptest, with the device's directory", d.aMapping(
			field{"build", false, "the folder with the Dockerfile from which the image is built first; without this key the image " +
				"must exist",
				d.then(d.aLine(&l.Build), func(v value) { d.exists(v, filepath.Join(l.Build, "Dockerfile")) })},
			field{"image", true, "its image, a template; usptest pulls none", d.then(d.aLine(&l.Image), func(v value) { d.rendersText(v, l.Image) })},
		)},
		field{"env", false, "environment variables, templates", kind{Schema{Type: "object", Values: &Schema{Type: "string"}},
			func(v value) { d.pairs(v, func(name string, _, val value) { d.variable(name, val, l) }) }}},
		field{"files", false, "files of the device's directory, written before its first start: the path of a template for each name", kind{Schema{Type: "object", Values: &Schema{Type: "string"}},
			func(v value) { d.pairs(v, func(name string, _, val value) { d.template(name, val, l) }) }}},
		field{"fresh", false, "when the device's directory is empty: at the beginning of every case, or of each link", d.aWord(&l.Fresh, FreshPerCase, FreshPerRun)},
	)
	k.schema.AllOf = []condition{{map[string]any{"not": map[string]any{"required": []string{"container"}}}, map[string]any{"required": []string{"exec"}}}}
	return kind{k.schema, func(v value) {
		d.f.Lab.Launch = l
		faults := len(d.problems)
		k.read(v)
		if len(d.problems) == faults && l.Exec == nil && l.Image == "" {
			d.add(value{under(v.key, "exec"), v.node}, "nothing", "a command, or a container", "the key is missing")
		}
	}}
}

// variable reads an environment variable of the device.
func (d *fileDecoder) variable(name string, v value, l *Launch) {
	var s string
	if !d.text(v, &s) {
		return
	}
	if name == "" || strings.ContainsAny(name+s, "\x00") || strings.Contains(name, "=") {
		d.add(v, strconv.Quote(name), "the name of an environment variable", "")
		return
	}
	d.rendersText(v, s)
	l.Env[name] = s
}

// template reads a file of the device's directory.
func (d *fileDecoder) template(name string, v value, l *Launch) {
	var path string
	if !d.filled(v, &path) {
		return
	}
	if !filepath.IsLocal(name) || slices.Contains(reservedFiles(), filepath.Clean(name)) {
		d.add(v, strconv.Quote(name), "a name inside the device's directory, other than "+strings.Join(reservedFiles(), ", "), "")
		return
	}
	l.Files[name] = path
	d.later = append(d.later, func() {
		var seen []string
		for _, link := range d.f.Links {
			vars := sampleVars(link)
			rendered, err := Render(v.key, path, vars)
			if err != nil {
				d.add(v, strconv.Quote(path), "a path, as a template", err.Error())
				return
			}
			if !slices.Contains(seen, rendered) {
				seen = append(seen, rendered)
				d.exists(v, rendered)
			}
			d.rendersFile(rendered, vars)
		}
	})
}

// rendersText checks that a text renders over every link.
func (d *fileDecoder) rendersText(v value, text string) {
	d.later = append(d.later, func() {
		for _, link := range d.f.Links {
			if _, err := Render(v.key, text, sampleVars(link)); err != nil {
				d.add(v, strconv.Quote(cut(text)), "a template over the variables of a link", err.Error())
				return
			}
		}
	})
}

// rendersFile checks that a template file renders over a link. What is wrong in it is recorded once.
func (d *fileDecoder) rendersFile(path string, vars Vars) {
	text, err := readSmall(resolve(d.root, path))
	if err != nil {
		return // exists has told
	}
	var e *TemplateError
	if _, err := Render(path, string(text), vars); !errors.As(err, &e) {
		return
	}
	p := Problem{File: resolve(d.root, path), Line: e.Line, Column: e.Column, Remedy: e.Text}
	if !slices.Contains(d.problems, p) {
		d.problems = append(d.problems, p)
	}
}

// command is a command with its arguments.
func (d *fileDecoder) command(into *[]string) kind {
	k := d.aList(func() kind {
		return kind{Schema{Type: "string"}, func(v value) {
			var s string
			if !d.text(v, &s) {
				return
			}
			if strings.ContainsRune(s, 0) {
				d.add(v, strconv.Quote(s), "text without NUL", "")
				return
			}
			d.rendersText(v, s)
			*into = append(*into, s)
		}}
	})
	k.schema.MinItems = 1
	return d.then(k, func(v value) {
		if len(*into) == 0 || (*into)[0] == "" {
			d.add(v, describe(v.node), "a command and its arguments, such as [./agent, -v]", "")
		}
	})
}

// hook is something that the lab can do: one of some words, or a mapping with a command.
func (d *fileDecoder) hook(into *Hook, words ...string) kind {
	word := d.then(d.aWord(&into.By, words...), func(v value) {
		d.later = append(d.later, func() {
			if into.By == ByLaunch && d.f.Lab.Launch == nil {
				d.add(v, ByLaunch, "", "there is no lab.launch; use manual or a command")
			}
		})
	})
	own := d.aMapping(field{"exec", true, "a command and its arguments, templates", d.command(&into.Exec)})
	return kind{Schema{AnyOf: []Schema{word.schema, own.schema}}, func(v value) {
		if _, ok := v.node.(*ast.MappingNode); ok {
			own.read(v)
			into.By = ByExec
			return
		}
		word.read(v)
	}}
}

// sampleVars are made-up values of every variable, to try templates with.
func sampleVars(l LinkSpec) Vars {
	const file = "/sample"
	return Vars{
		Link: l.Carrier(), MTP: l.MTP, Version: l.Version, TLS: l.TLS, Session: l.Session, Role: l.Role, Instance: 1,
		Host: loopback, Port: 1, Path: DefaultWSPath, AgentPort: 1,
		AgentID: "self::agent", ControllerID: string(DefaultController), AgentTopic: "agent", ControllerTopic: "controller",
		Username: "user", Password: "password", CollectorURL: "http://" + loopback, Dir: file, CA: file, ClientCert: file, ClientKey: file, ClientPEM: file,
	}
}

// MissingPrograms looks for the programs of the hooks: one error for each that is missing, so that it is not first found in the middle of
// a run. Templates are rendered with made-up values.
func (f *File) MissingPrograms() []error {
	var errs []error
	look := func(key string, exec []string) {
		if len(exec) == 0 || len(f.Links) == 0 {
			return
		}
		if _, err := f.Command(key, exec, sampleVars(f.Links[0])); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; %s", key, err, ProgramRemedy(err)))
		}
	}
	look("lab.reboot.exec", f.Lab.Reboot.Exec)
	look("lab.factoryReset.exec", f.Lab.FactoryReset.Exec)
	look("lab.power.exec", f.Lab.Power.Exec)
	look("lab.time.block.exec", f.Lab.Time.Block.Exec)
	look("lab.time.allow.exec", f.Lab.Time.Allow.Exec)
	return errs
}
