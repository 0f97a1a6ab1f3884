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

// lab reads what the lab can do.
func (d *fileDecoder) lab(v value) {
	lab := &d.f.Lab
	d.mapping(v,
		field{"launch", false, d.launch},
		field{"reboot", false, d.hook(&lab.Reboot, ByUSP, ByHand, ByLaunch)},
		field{"factoryReset", false, d.hook(&lab.FactoryReset, ByUSP, ByHand, ByLaunch)},
		field{"power", false, d.hook(&lab.Power, ByHand, ByLaunch)},
	)
}

// launch reads how to start the device.
func (d *fileDecoder) launch(v value) {
	l := &Launch{Env: map[string]string{}, Files: map[string]string{}}
	d.f.Lab.Launch = l
	d.mapping(v,
		field{"exec", true, func(v value) { d.command(v, &l.Exec) }},
		field{"env", false, func(v value) { d.pairs(v, func(name string, _, val value) { d.variable(name, val, l) }) }},
		field{"files", false, func(v value) { d.pairs(v, func(name string, _, val value) { d.template(name, val, l) }) }},
		field{"fresh", false, func(v value) { d.oneOf(v, &l.Fresh, FreshPerCase, FreshPerRun) }},
	)
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
			rendered, err := renderText(v.key, path, vars)
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
			if _, err := renderText(v.key, text, sampleVars(link)); err != nil {
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
	if _, err := renderText(path, string(text), vars); !errors.As(err, &e) {
		return
	}
	p := Problem{File: resolve(d.root, path), Line: e.Line, Column: e.Column, Remedy: e.Text}
	if !slices.Contains(d.problems, p) {
		d.problems = append(d.problems, p)
	}
}

// command reads a command with its arguments.
func (d *fileDecoder) command(v value, into *[]string) {
	faults := len(d.problems)
	d.list(v, func(v value) {
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
	})
	if len(d.problems) == faults && (len(*into) == 0 || (*into)[0] == "") {
		d.add(v, describe(v.node), "a command and its arguments, such as [./agent, -v]", "")
	}
}

// hook reads something that the lab can do: one of some words, or a mapping with a command.
func (d *fileDecoder) hook(into *Hook, words ...string) func(value) {
	return func(v value) {
		if _, ok := v.node.(*ast.MappingNode); ok {
			d.mapping(v, field{"exec", true, func(v value) { d.command(v, &into.Exec) }})
			into.By = ByExec
			return
		}
		if !d.oneOf(v, &into.By, words...) {
			return
		}
		d.later = append(d.later, func() {
			if into.By == ByLaunch && d.f.Lab.Launch == nil {
				d.add(v, ByLaunch, "", "there is no lab.launch; use manual or a command")
			}
		})
	}
}

// sampleVars are made-up values of every variable, to try templates with.
func sampleVars(l LinkSpec) Vars {
	const file = "/sample"
	return Vars{
		Link: l.Name(), MTP: l.MTP, Version: l.Version, TLS: l.TLS, Role: l.Role, Instance: 1, Host: loopback, Port: 1, Path: DefaultWSPath, AgentPort: 1,
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
		if _, err := command(key, f.root(), exec, sampleVars(f.Links[0])); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; %s", key, err, missingRemedy(err)))
		}
	}
	look("lab.reboot.exec", f.Lab.Reboot.Exec)
	look("lab.factoryReset.exec", f.Lab.FactoryReset.Exec)
	look("lab.power.exec", f.Lab.Power.Exec)
	return errs
}
