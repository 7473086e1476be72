package sse

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ParseTable reads the table form of a setting, as a TOML or JSON decoder
// hands it out: the options' names without their dashes; a string for each,
// true where the value may be left out, a list of strings for sse-read-c-key.
// A value is taken whole: quotes in it are part of it. Result and rules are
// those of Parse.
func ParseTable(store Store, table map[string]any, env Env) (Settings, []string, error) {
	v := newSettler(store, env)
	var dashed []string
	for _, name := range slices.Sorted(maps.Keys(table)) {
		switch bare := strings.TrimLeft(name, "-"); {
		case optionNamed("--"+name) != nil:
		case optionNamed("--"+bare) != nil:
			v.find(0, "--"+bare, "in a table %s is written without dashes: %s", shownOption(name), bare)
			dashed = append(dashed, "--"+bare)
		default:
			about := ""
			if shownOption(name) == name {
				about = name
			}
			v.find(0, about, "unknown option %s; known: %s", shownOption(name), known(store, len("--")))
		}
	}
	for i := range options {
		if value, ok := table[strings.TrimPrefix(options[i].name, "--")]; ok {
			v.addTable(&options[i], value)
		}
	}
	for _, name := range dashed {
		v.count[name]++ // it was meant, so no other option misses it
	}
	return v.settle()
}

func (v *settler) addTable(o *option, value any) {
	switch value := value.(type) {
	case string:
		v.add(given{opt: o, value: value})
		return
	case bool:
		if value && o.values != nil {
			v.add(given{opt: o, value: o.values[0]})
			return
		}
	case []string:
		if o.repeats {
			v.addList(o, len(value), func(i int) any { return value[i] })
			return
		}
	case []any:
		if o.repeats {
			v.addList(o, len(value), func(i int) any { return value[i] })
			return
		}
	}
	v.find(0, o.name, "%s: want %s, not %s", o.name, tableType(o), typeName(value))
	v.count[o.name]++
}

func (v *settler) addList(o *option, n int, item func(int) any) {
	if n == 0 {
		v.add(given{opt: o})
	}
	for i := range n {
		s, ok := item(i).(string)
		if !ok {
			v.find(0, o.name, "%s: item %d of the list must be a string, not %s", o.name, i+1, typeName(item(i)))
		}
		v.add(given{opt: o, value: s, broken: !ok})
	}
}

// tableType is what an option takes in a table.
func tableType(o *option) string {
	switch {
	case o.values != nil:
		return "a string or true"
	case o.repeats:
		return "a string or a list of strings"
	}
	return "a string"
}

// typeName names the type of a value, and never the value.
func typeName(value any) string {
	switch value := value.(type) {
	case nil:
		return "nothing"
	case bool:
		return fmt.Sprint(value)
	case int64, int:
		return "an integer"
	case float64:
		return "a number"
	case time.Time:
		return "a date"
	case []any, []string:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("a %T", value)
}
