package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// loadBaseline reads the run whose failures and advice of device are known. The error names each id, link and day that there cannot be in a
// line of its own.
func loadBaseline(path string, p *plan.Plan, device result.Device) (*result.Baseline, error) {
	path = runPath(path)
	run, err := loadRun(path)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	lines, err := checkBaseline(path, p)
	if err != nil {
		return nil, fmt.Errorf("--baseline: the file is not valid; correct it, or make the baseline again:\n%w", err)
	}
	if err := sameDevice("--baseline", path, run, device); err != nil {
		return nil, err
	}
	days := map[[2]string]string{}
	for _, l := range run.Links {
		for _, c := range l.Cases {
			if c.Until != "" {
				days[[2]string{l.Link, c.ID}] = fmt.Sprintf("%s:%d", path, lines.cases[0])
				lines.cases = lines.cases[1:]
			}
		}
	}
	days[[2]string{}] = fmt.Sprintf("%s:%d", path, lines.run)
	return result.NewBaseline(path, run, time.Now(), func(link, id string) string { return days[[2]string{link, id}] }), nil
}

// sameDevice refuses the run at path, named by a flag, when it is of another device.
func sameDevice(flag, path string, run *result.Run, device result.Device) error {
	if unlike := run.Device.Differences(device, result.FieldVendor, result.FieldModel, result.FieldReference); len(unlike) > 0 {
		return fmt.Errorf("%s: %s is of a different device, %s; use a run of this one", flag, path, list(unlike))
	}
	return nil
}

// untilLines are the lines in a run.json of the last days of a baseline: of the run, and of its cases in their order.
type untilLines struct {
	run   int
	cases []int
}

// checkBaseline looks in the run.json at path for ids of cases that the plan does not have, for links that there cannot be, and for days
// that are none.
func checkBaseline(path string, p *plan.Plan) (lines untilLines, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return lines, err
	}
	var ids []string
	for _, c := range p.Cases {
		ids = append(ids, c.ID)
	}
	var problems []error
	eachString(data, func(key string, line int, text string) {
		key = strings.ToLower(key) // as encoding/json reads it
		kind, names := "case", ids
		switch key {
		case "links.link":
			kind, names = "link", allLinkNames()
		case "links.cases.id":
		case "until", "links.cases.until":
			if key == "until" {
				lines.run = line
			} else {
				lines.cases = append(lines.cases, line)
			}
			if _, err := time.Parse(time.DateOnly, text); err != nil {
				problems = append(problems, fmt.Errorf("%s:%d: %s: got %q; allowed: a day as year-month-day, such as 2027-12-31",
					path, line, key, result.VisibleLine(text)))
			}
			return
		default:
			return
		}
		if !slices.Contains(names, text) {
			unknown := &plan.UnknownError{Kind: kind, Name: result.VisibleLine(text), Near: plan.Near(text, names)}
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, line, unknown))
		}
	})
	return lines, errors.Join(problems...)
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
