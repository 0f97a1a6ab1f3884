package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// loadBaseline reads the run whose failures of device are known. The error names each id and link that does not exist in a line of its own.
func loadBaseline(path string, p *plan.Plan, device result.Device) (*result.Baseline, error) {
	path = runPath(path)
	run, err := loadRun(path)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	if err := checkNames(path, p); err != nil {
		return nil, fmt.Errorf("--baseline: names that do not exist; take them out, or make the baseline again:\n%w", err)
	}
	if err := sameDevice("--baseline", path, run, device); err != nil {
		return nil, err
	}
	return result.NewBaseline(path, run), nil
}

// sameDevice refuses the run at path, named by a flag, when it is of another device.
func sameDevice(flag, path string, run *result.Run, device result.Device) error {
	if unlike := run.Device.Differences(device, result.FieldVendor, result.FieldModel, result.FieldReference); len(unlike) > 0 {
		return fmt.Errorf("%s: %s is of another device, %s; take a run of this one", flag, path, list(unlike))
	}
	return nil
}

// checkNames looks for ids of cases that the plan does not have, and for links that there cannot be, in the run.json at path.
func checkNames(path string, p *plan.Plan) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var ids []string
	for _, c := range p.Cases {
		ids = append(ids, c.ID)
	}
	var problems []error
	eachString(data, func(key string, line int, name string) {
		kind, names := "case", ids
		switch key {
		case "links.link":
			kind, names = "link", linkNames()
		case "links.cases.id":
		default:
			return
		}
		if !slices.Contains(names, name) {
			unknown := &plan.UnknownError{Kind: kind, Name: result.VisibleLine(name), Near: plan.Near(name, names)}
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, line, unknown))
		}
	})
	return errors.Join(problems...)
}

// eachString visits every text in a JSON document that is well formed, with the keys that lead to it and its line.
func eachString(data []byte, visit func(key string, line int, value string)) {
	type level struct {
		key    string
		object bool
		keyed  bool // the key of the next value was read
	}
	var path []level
	line, counted := 1, 0
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err != nil {
			return
		}
		at := int(d.InputOffset())
		line, counted = line+bytes.Count(data[counted:at], []byte("\n")), at
		top := len(path) - 1
		if top >= 0 && path[top].object && !path[top].keyed && token != json.Delim('}') {
			path[top].key, path[top].keyed = token.(string), true
			continue
		}
		if top >= 0 {
			path[top].keyed = false
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{', '[':
				path = append(path, level{object: token == '{'})
			default:
				path = path[:top]
			}
		case string:
			var keys []string
			for _, l := range path {
				if l.object {
					keys = append(keys, l.key)
				}
			}
			visit(strings.Join(keys, "."), line, token)
		}
	}
}
