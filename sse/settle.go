package sse

import (
	"fmt"
	"slices"
)

// given is an option as the string or the table has it.
type given struct {
	opt    *option
	word   int    // in the string; 0 in a table
	value  string // "" where one is missing
	broken bool   // the value was found wrong already
}

// settler turns options into Settings, collecting what is wrong with them.
type settler struct {
	store    Store
	env      Env
	variable string // where the options come from, if from a variable

	settings Settings
	count    map[string]int // how often each option was given
	errs     Errors
	warnings []string
}

func newSettler(store Store, env Env) *settler {
	return &settler{store: store, env: env, count: make(map[string]int)}
}

// find adds a finding; option may be "".
func (v *settler) find(word int, option, format string, args ...any) {
	v.errs = append(v.errs, &Error{
		Word: word, Option: option, Variable: v.variable, Msg: fmt.Sprintf(format, args...),
	})
}

func (v *settler) warn(format string, args ...any) {
	v.warnings = append(v.warnings, labelled(fmt.Sprintf(format, args...), v.variable))
}

// add takes one option and checks it by itself.
func (v *settler) add(g given) {
	o := g.opt
	if advice, no := o.elsewhere[v.store]; no {
		v.find(g.word, o.name, "%s is not available for %s; %s", o.name, v.store, advice)
		return
	}
	v.count[o.name]++
	if v.count[o.name] > 1 && !o.repeats {
		v.find(g.word, o.name, "word %d: %s given twice", g.word, o.name)
		return
	}
	switch {
	case g.broken:
	case g.value == "":
		v.find(g.word, o.name, "%s needs a value", o.name)
	case o.use != nil:
		v.addKey(g)
	case o.values != nil && !slices.Contains(o.values, g.value):
		v.find(g.word, o.name, "%s: %s is not valid; %s", o.name, shownValue(g.value), choices(o.values))
	case o.isAlgorithm():
		// AES256, which goes without saying once the key is set.
	default:
		if o.check != nil {
			if want := o.check(v.store, g.value); want != "" {
				v.find(g.word, o.name, "%s: want %s", o.name, want)
				return
			}
		}
		o.set(&v.settings, g.value)
	}
}

func (v *settler) addKey(g given) {
	where := g.opt.name
	if n := v.count[where]; n > 1 {
		where = fmt.Sprintf("%s: read key %d", where, n)
	}
	k, warning, err := readKey(g.value, v.env)
	if err != nil {
		v.find(g.word, g.opt.name, "%s: %v", where, err)
		return
	}
	if warning != "" {
		v.warn("%s: %s", where, warning)
	}
	g.opt.use(&v.settings, k)
}

func choices(values []string) string {
	if len(values) == 1 {
		return values[0] + " is the only value"
	}
	return "use " + orList(values)
}

// settle checks the options against each other and hands out the result: no
// Settings at all if anything was found.
func (v *settler) settle() (Settings, []string, error) {
	v.pairAlgorithms()
	for _, pair := range exclusive {
		if v.count[pair[0]] > 0 && v.count[pair[1]] > 0 {
			v.find(0, pair[0], "%s and %s exclude each other", pair[0], pair[1])
		}
	}
	s := &v.settings
	if s.KMSKeyID != "" && s.Algorithm == AES256 {
		v.find(0, optKMSKeyID, "%s needs %s %s, not %s", optKMSKeyID, optSSE, KMS, AES256)
	}
	if len(v.errs) > 0 {
		return Settings{}, v.warnings, v.errs
	}
	if v.store == S3 && s.KMSKeyID != "" && s.Algorithm == "" {
		s.Algorithm = KMS // S3 refuses a key id without it
	}
	return *s, v.warnings, nil
}

// pairAlgorithms sees that no algorithm stands without a key, and on S3, which
// wants it said, no key without its algorithm. The other stores have one only.
func (v *settler) pairAlgorithms() {
	missing := func(names []string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return v.count[n] > 0 })
	}
	for i := range options {
		o := &options[i]
		if v.count[o.name] == 0 {
			continue
		}
		if keys := keysOf(o.name); o.isAlgorithm() && missing(keys) {
			v.find(0, o.name, "%s also needs %s", o.name, orList(keys))
		}
		if v.store == S3 && o.use != nil && missing(o.algorithms) {
			v.find(0, o.name, "%s also needs %s %s", o.name, o.algorithms[0], AES256)
		}
	}
}
