package dut

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/usptest/usptest/harness/plan"
)

// Write writes a DUT file that Parse reads again: every key with what it is for, those that the File does not use as comments. schema is
// where an editor finds its schema, beside the file. unsure are features of which nobody knows whether the device has them, with the
// reason; they are written as comments.
func (f *File) Write(p *plan.Plan, schema string, unsure map[int]string) []byte {
	w := &writer{unsure: unsure}
	fmt.Fprintf(&w.b, "# yaml-language-server: $schema=%s\n# A DUT file of usptest. What is commented out shows a default, or what else there is.\n", schema)
	tree := f.tree()
	for _, k := range FileSchema(p).Keys {
		w.b.WriteByte('\n')
		w.comment(k.Text)
		k.Text = ""
		v, used := tree[k.Name]
		w.key("", "", k, v, used)
	}
	return w.b.Bytes()
}

// Masked is the File as YAML for whoever reads a report: what it says or what a default is not, without comments, and asterisks for its
// secrets: passwords, environment variables and arguments with a telling name, and what a URL has before its host.
func (f *File) Masked(p *plan.Plan) string {
	open := *f
	open.Links = slices.Clone(f.Links)
	for i := range open.Links {
		l := &open.Links[i]
		l.Password, l.URL = masked(l.Password), userInfo.ReplaceAllString(l.URL, "//"+mask+"@")
	}
	for _, h := range []*Hook{&open.Lab.Reboot, &open.Lab.FactoryReset, &open.Lab.Power, &open.Lab.Time.Block, &open.Lab.Time.Allow} {
		*h = h.masked()
	}
	if f.Lab.Launch != nil {
		l := *f.Lab.Launch
		l.Exec, l.Env = maskedArguments(l.Exec), maps.Clone(l.Env)
		for name, text := range l.Env {
			if secretName.MatchString(name) {
				l.Env[name] = masked(text)
			}
		}
		open.Lab.Launch = &l
	}
	w := &writer{bare: true}
	tree := open.tree()
	for _, k := range FileSchema(p).Keys {
		if v, used := tree[k.Name]; used {
			w.key("", "", k, v, true)
		}
	}
	return w.b.String()
}

// mask stands for a secret, whatever its length.
const mask = "********"

var (
	secretName = regexp.MustCompile(`(?i)pass|secret|token|key|credential|auth`)
	userInfo   = regexp.MustCompile(`//[^/@\s]*@`)
)

func masked(secret string) string {
	if secret == "" {
		return ""
	}
	return mask
}

// maskedArguments are those of a command: what follows the equals sign of an option with a telling name is masked, or else the next
// argument.
func maskedArguments(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		name, _, assigned := strings.Cut(w, "=")
		switch {
		case !secretName.MatchString(name) || !strings.HasPrefix(name, "-") && !assigned:
			out[i] = userInfo.ReplaceAllString(w, "//"+mask+"@")
		case assigned:
			out[i] = name + "=" + mask
		case i+1 < len(out) && !strings.HasPrefix(out[i+1], "-"):
			out[i+1] = mask
		}
	}
	return out
}

func (h Hook) masked() Hook { return Hook{h.By, maskedArguments(h.Exec)} }

// tree is the File as the mapping that a DUT file is, without what is empty or a default.
func (f *File) tree() map[string]any {
	tree := map[string]any{
		"device": filled("vendor", f.Device.Vendor, "model", f.Device.Model, "software", f.Device.Software, "serial", f.Device.Serial, "endpoint", f.Device.Endpoint),
	}
	put := func(name string, v map[string]any) {
		if len(v) > 0 {
			tree[name] = v
		}
	}
	put("controller", filled("endpoint", string(f.Controller)))
	maps.Copy(tree, filled("bind", f.Bind, "host", f.Host))
	var links []any
	for _, l := range f.Links {
		links = append(links, l.tree())
	}
	tree["links"] = links
	put("tls", filled("authority", f.TLS.Authority, "certificate", f.TLS.Certificate, "key", f.TLS.Key, "trust", f.TLS.Trust))
	put("collector", filled("http", f.Collector.HTTP))
	if len(f.Features) > 0 {
		tree["features"] = f.Features
	}
	if len(f.Profiles) > 0 {
		tree["profiles"] = f.Profiles
	}
	elements := map[string]any{}
	for role, element := range f.Elements {
		elements[role] = element
	}
	put("fileServer", f.FileServer.tree())
	if images := f.firmwareTree(); images != nil {
		tree["firmware"] = images
	}
	put("elements", elements)
	put("lab", f.Lab.tree())
	put("waits", f.Waits.tree())
	put("report", filled("laboratory", f.Laboratory, "tester", f.Tester))
	var waivers []any
	for _, v := range f.Waivers {
		waivers = append(waivers, filled("case", v.Case, "reason", v.Reason, "issue", v.Issue, "until", v.Until.Format(time.DateOnly)))
	}
	if waivers != nil {
		tree["waivers"] = waivers
	}
	var advice []any
	for _, a := range f.Advice {
		entry := filled("check", a.Check, "reason", a.Reason, "issue", a.Issue)
		if a.Metrics != nil {
			entry["metrics"] = a.Metrics
		}
		if !a.Until.IsZero() {
			entry["until"] = a.Until.Format(time.DateOnly)
		}
		advice = append(advice, entry)
	}
	if advice != nil {
		tree["advice"] = advice
	}
	return tree
}

func (l LinkSpec) tree() map[string]any {
	return filled("mtp", l.MTP, "version", l.Version, "tls", l.TLS, "port", l.Port, "agentTopic", l.AgentTopic, "assignTopic", l.AssignTopic, "controllerTopic", l.ControllerTopic,
		"username", l.Username, "password", l.Password, "role", l.Role, "path", l.Path, "url", l.URL,
		"session", l.Session)
}

func (l LabSpec) tree() map[string]any {
	tree := map[string]any{}
	if l.Launch != nil {
		launch := filled("fresh", l.Launch.Fresh)
		if l.Launch.Exec != nil {
			launch["exec"] = l.Launch.Exec
		}
		if l.Launch.Image != "" {
			launch["container"] = filled("build", l.Launch.Build, "image", l.Launch.Image)
		}
		for name, texts := range map[string]map[string]string{"env": l.Launch.Env, "files": l.Launch.Files} {
			if len(texts) > 0 {
				launch[name] = texts
			}
		}
		tree["launch"] = launch
	}
	hooks(tree, map[string]Hook{"reboot": l.Reboot, "factoryReset": l.FactoryReset, "power": l.Power})
	if l.Time.Block.By != "" {
		times := map[string]any{}
		hooks(times, map[string]Hook{"block": l.Time.Block, "allow": l.Time.Allow})
		tree["time"] = times
	}
	return tree
}

// hooks puts those that are set into a mapping.
func hooks(tree map[string]any, all map[string]Hook) {
	for name, h := range all {
		switch h.By {
		case "":
		case ByExec:
			tree[name] = map[string]any{"exec": h.Exec}
		default:
			tree[name] = h.By
		}
	}
}

func (w Waits) tree() map[string]any {
	tree := map[string]any{}
	for _, k := range w.keys() {
		if *k.into != 0 && *k.into != k.def {
			tree[k.name] = short(*k.into)
		}
	}
	return tree
}

// filled is a mapping of names and values, without those that are zero.
func filled(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		if v := pairs[i+1]; v != "" && v != 0 && v != false {
			m[pairs[i].(string)] = v
		}
	}
	return m
}

// writer writes YAML.
type writer struct {
	b      bytes.Buffer
	unsure map[int]string
	bare   bool // no comments; of the keys those that are used
}

// commentWidth is how wide comments are, in columns.
const commentWidth = 130

// comment writes a comment of its own, in as many lines as it needs.
func (w *writer) comment(text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > commentWidth {
			w.b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	w.b.WriteString(line + "\n")
}

// key writes a key with its value. first is what is before its name where it begins an item of a list. A key that is not used is a
// comment, and so is what is in it: its indent has the sign of a comment.
func (w *writer) key(indent, first string, k Key, v any, used bool) {
	if !used && !commented(indent) {
		indent += "# "
	}
	head := indent + first + k.Name + ":"
	deeper := indent + strings.Repeat(" ", len(first)) + "  "
	switch {
	case k.Items != nil && k.Items.Keys != nil:
		w.line(head, k.Text)
		items, _ := v.([]any)
		if !used {
			items = []any{map[string]any{}}
		}
		for _, item := range items {
			w.item(deeper, *k.Items, item.(map[string]any))
		}
	case k.Name == "features":
		w.features(head, deeper, k, v)
	case k.Items != nil:
		w.line(head, k.Text)
		texts, _ := v.([]string)
		for _, text := range texts {
			w.line(deeper+"- "+scalar(text), "")
		}
		numbers, _ := v.([]int)
		for _, n := range numbers {
			w.line(deeper+"- "+scalar(n), "")
		}
	case k.Values != nil:
		w.line(head, k.Text)
		texts, _ := v.(map[string]string)
		for _, name := range sortedKeys(texts) {
			w.line(deeper+scalar(name)+": "+scalar(texts[name]), "")
		}
	case k.Keys != nil:
		w.line(head, k.Text)
		m, _ := v.(map[string]any)
		w.keys(deeper, "", k.Schema, m)
	default:
		if own, ok := v.(map[string]any); ok { // a hook that is a command
			w.line(head, k.Text)
			for _, b := range k.AnyOf {
				w.keys(deeper, "", b, own)
			}
			return
		}
		if !used {
			v = k.Default
		}
		if v != nil {
			head += " " + scalar(v)
		}
		w.line(head, k.Text)
	}
}

// keys writes those keys of a mapping that fit its other values.
func (w *writer) keys(indent, first string, s Schema, m map[string]any) {
	for _, k := range s.Keys {
		v, used := m[k.Name]
		if w.bare && !used {
			continue
		}
		w.key(indent, first, k, v, used)
		indent, first = indent+strings.Repeat(" ", len(first)), ""
	}
}

// item writes an item of a list of mappings. Of a link it leaves out the keys that have no place there.
func (w *writer) item(indent string, s Schema, m map[string]any) {
	if mtp, ok := m["mtp"].(string); ok {
		role, _ := m["role"].(string)
		unknown := LinkSpec{MTP: mtp, Role: role}.unknownKeys()
		s.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(k Key) bool { return unknown[k.Name] != "" })
	}
	w.keys(indent, "- ", s, m)
}

// commented reports whether what stands after an indent is a comment.
func commented(indent string) bool { return strings.Contains(indent, "#") }

// features writes a feature a line, with its name: all of them when none is declared.
func (w *writer) features(head, indent string, k Key, v any) {
	declared, _ := v.([]int)
	w.line(head, "")
	for _, f := range k.Items.AnyOf {
		number := f.Const.(int)
		why, unsure := w.unsure[number]
		switch {
		case slices.Contains(declared, number) || commented(indent):
			w.line(fmt.Sprintf("%s- %d", indent, number), f.Text)
		case unsure:
			w.line(fmt.Sprintf("%s# - %d", indent, number), f.Text+": "+why)
		}
	}
}

// line writes a line with a comment behind it.
func (w *writer) line(text, comment string) {
	w.b.WriteString(text)
	if comment != "" && !w.bare {
		// a comment ends with its line, whatever the device put into it
		w.b.WriteString(" # " + strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
				return ' '
			}
			return r
		}, comment))
	}
	w.b.WriteByte('\n')
}

// plainText is what YAML reads as text without quotes.
var plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/._()!-]*( [A-Za-z0-9/._()!-]+)*$|^[0-9]+(ms|s|m|h)$|^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)

// notText are words that YAML would not read as text.
var notText = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)

// scalar writes a number, a boolean or a text.
func scalar(v any) string {
	s, text := v.(string)
	switch {
	case !text:
		return fmt.Sprint(v)
	case plainText.MatchString(s) && !notText.MatchString(s):
		return s
	case strings.Contains(s, `"`) && !strings.ContainsAny(s, `'\`) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }):
		return "'" + s + "'"
	}
	return strconv.Quote(s)
}
