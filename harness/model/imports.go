package model

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// document is one parsed file with the names that it defines and imports.
type document struct {
	name    string // of the file
	loader  *loader
	root    *element
	own     map[string]*element // by kind and name: "component Root"
	imports map[string]imported
}

type imported struct {
	from *document
	name string // kind and name there
}

// loader reads files and what they import, each once.
type loader struct {
	docs    map[string]*document
	given   []string // the files that were named
	loading []string // the files that are being read, outermost first
	unknown map[string]place
	order   []string // of unknown
}

func (l *loader) warn(at place, name string) {
	if _, seen := l.unknown[name]; !seen {
		l.unknown[name] = at
		l.order = append(l.order, name)
	}
}

func (l *loader) load(file string) (*document, error) {
	file = filepath.Clean(file)
	if d := l.docs[file]; d != nil {
		return d, nil
	}
	l.loading = append(l.loading, file)
	defer func() { l.loading = l.loading[:len(l.loading)-1] }()
	root, err := parse(file, l.warn)
	if err != nil {
		return nil, err
	}
	d := &document{name: file, loader: l, root: root, own: map[string]*element{}, imports: map[string]imported{}}
	for _, e := range root.kids {
		switch e.name {
		case "import":
			if err := l.follow(d, e); err != nil {
				return nil, err
			}
		case "component", "model", "dataType":
			key := e.name + " " + e.get("name")
			if twice := d.own[key]; twice != nil {
				return nil, e.at.errorf("%s is there twice, first on line %d", key, twice.at.line)
			}
			d.own[key] = e
		}
	}
	l.docs[file] = d
	return d, nil
}

// follow reads what an import names.
func (l *loader) follow(d *document, e *element) error {
	if len(e.kids) == 0 {
		return nil // of a bibliography nothing is wanted here
	}
	dirs := []string{filepath.Dir(d.name)}
	for _, file := range l.given {
		if dir := filepath.Dir(file); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	file, err := findImport(dirs, e)
	if err != nil {
		return err
	}
	if slices.Contains(l.loading, filepath.Clean(file)) {
		return e.at.errorf("the import of %s goes in a circle: %s", filepath.Base(file), strings.Join(baseNames(l.loading), " imports "))
	}
	from, err := l.load(file)
	if err != nil {
		return err
	}
	for _, k := range e.kids {
		there := k.get("ref")
		if there == "" {
			there = k.get("name")
		}
		there = k.name + " " + there
		if from.own[there] == nil && from.imports[there].from == nil {
			return k.at.errorf("the import wants %s, which %s does not have", there, filepath.Base(file))
		}
		d.imports[k.name+" "+k.get("name")] = imported{from, there}
	}
	return nil
}

func baseNames(files []string) []string {
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	return names
}

// findImport is the file that an import means, in the first of some folders that has it. The Broadband Forum's imports name
// tr-181-2-common.xml with the specification tr-181-2-16-common; the file is tr-181-2-16-<n>-common.xml, of which the newest counts.
func findImport(dirs []string, e *element) (string, error) {
	name := e.get("file")
	if name == "" || filepath.Base(name) != name {
		return "", e.at.errorf("the import names %q; want a file beside this one or beside another that is given", name)
	}
	spec := e.get("spec")
	spec = spec[strings.LastIndexByte(spec, ':')+1:]
	number := regexp.MustCompile(`^tr-\d+-\d+-\d+`).FindString(spec)
	suffix := regexp.MustCompile(`^tr-\d+(?:-\d+)*(-[a-z].*)\.xml$`).FindStringSubmatch(name)
	for _, dir := range dirs {
		if number != "" && suffix != nil {
			if file := newest(dir, regexp.MustCompile("^"+number+`-(\d+)`+regexp.QuoteMeta(suffix[1])+`\.xml$`)); file != "" {
				return file, nil
			}
		}
		exact := filepath.Join(dir, name)
		switch _, err := os.Stat(exact); {
		case err == nil:
			return exact, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", e.at.errorf("%w", err)
		}
	}
	return "", e.at.errorf("the import %s (%s) is not in %s; put it there, or give it as well", name, spec, strings.Join(dirs, " or "))
}

// newest is the file of the folder whose name matches with the greatest numbers; empty when there is none.
func newest(dir string, pattern *regexp.Regexp) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var best string
	var most []int
	for _, f := range entries {
		found := pattern.FindStringSubmatch(f.Name())
		if found == nil {
			continue
		}
		var ns []int
		for _, s := range found[1:] {
			n, err := strconv.Atoi(s)
			if err == nil {
				ns = append(ns, n)
			}
		}
		if best == "" || slices.Compare(ns, most) > 0 {
			best, most = filepath.Join(dir, f.Name()), ns
		}
	}
	return best
}

// lookup finds a component, model or data type by the name that it has in a document.
func (d *document) lookup(key string, from *element) (*document, *element, error) {
	for {
		if e := d.own[key]; e != nil {
			return d, e, nil
		}
		next := d.imports[key]
		if next.from == nil && strings.HasPrefix(key, "dataType ") {
			next = d.loader.anywhere(key)
		}
		if next.from == nil {
			return nil, nil, from.at.errorf("%s is neither defined nor imported", key)
		}
		d, key = next.from, next.name
	}
}

// anywhere finds a data type that a document uses and does not import; those of TR-181 leave some imports to the file above them.
func (l *loader) anywhere(key string) imported {
	for _, name := range slices.Sorted(maps.Keys(l.docs)) {
		if l.docs[name].own[key] != nil {
			return imported{l.docs[name], key}
		}
	}
	return imported{}
}

// Load reads data models from XML files and folders, and joins them. Of a folder it takes the newest TR-181 for USP, and the files that
// the Broadband Forum did not name. Notes says what was left out.
func Load(paths ...string) (m *Model, notes []string, err error) {
	l := &loader{docs: map[string]*document{}, unknown: map[string]place{}}
	m = newModel("")
	var files []string
	for _, path := range paths {
		some, err := filesOf(path)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, some...)
	}
	l.given = files
	for _, file := range files {
		d, err := l.load(file)
		if err != nil {
			return nil, nil, err
		}
		built, err := build(d)
		if err != nil {
			return nil, nil, err
		}
		m.merge(built)
	}
	if notes, err = m.checkProfiles(); err != nil {
		return nil, nil, err
	}
	for _, name := range l.order {
		notes = append(notes, fmt.Sprintf("%s: <%s> is not known and was ignored", l.unknown[name], name))
	}
	return m, notes, nil
}

// LoadVersions reads all versions of TR-181 for USP in a folder, the newest first, of each its last corrigendum.
func LoadVersions(dir string) (versions []*Model, notes []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "tr-181-*-usp*.xml"))
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, file := range files {
		number := regexp.MustCompile(`^tr-181-\d+-\d+`).FindString(filepath.Base(file))
		last := newest(dir, regexp.MustCompile("^"+number+`-(\d+)-usp(?:-full)?\.xml$`))
		if last == "" || seen[last] {
			continue
		}
		seen[last] = true
		m, some, err := Load(last)
		if err != nil {
			return nil, nil, err
		}
		versions, notes = append(versions, m), append(notes, some...)
	}
	slices.SortFunc(versions, func(a, b *Model) int { return slices.Compare(numbers(b.version()), numbers(a.version())) })
	return versions, notes, nil
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	if file := newest(path, regexp.MustCompile(`^tr-181-(\d+)-(\d+)-(\d+)-usp(?:-full)?\.xml$`)); file != "" {
		files = append(files, file)
	}
	others, err := filepath.Glob(filepath.Join(path, "*.xml"))
	if err != nil {
		return nil, err
	}
	for _, f := range others {
		if name := filepath.Base(f); !strings.HasPrefix(name, "tr-") && name != "catalog.xml" {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no tr-181-…-usp-full.xml, tr-181-…-usp.xml or XML of a vendor; name the file", path)
	}
	return files, nil
}
