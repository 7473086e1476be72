package sse

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	space = " \t\r\n" // what separates words
	// dashes are what editors and web pages make of "--", after the hyphen.
	dashes = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
)

// Parse reads the string form of a setting: nothing, "env:NAME" for options
// that stand in an environment variable, or the options themselves. Key
// sources are read at once.
//
// The strings are warnings for the log. The error is an Errors with every
// finding; then the Settings are zero.
func Parse(store Store, text string, env Env) (Settings, []string, error) {
	name, ok := strings.CutPrefix(strings.Trim(text, space), prefixEnv)
	if !ok {
		return parseWords(newSettler(store, env), text)
	}
	v := newSettler(store, env)
	options, set := "", false
	switch {
	case name == "":
		v.find(1, "", "%s needs the name of an environment variable", prefixEnv)
	case strings.ContainsAny(name, space):
		v.find(1, "", "word 1: %sNAME stands alone; the variable holds all the options", prefixEnv)
	default:
		if options, set = env.lookup(name); !set {
			v.find(1, "", "environment variable %s is not set", shownVariable(name))
		}
	}
	if !set {
		return v.settle()
	}
	v.variable = shownVariable(name)
	return parseVariable(v, options)
}

// parseVariable reads options that stand in a variable, which must not send
// the reader on to another one.
func parseVariable(v *settler, text string) (Settings, []string, error) {
	if strings.HasPrefix(strings.Trim(text, space), prefixEnv) {
		v.find(1, "", "the variable holds %s, which leads no further; put the options themselves there", prefixEnv)
		return v.settle()
	}
	return parseWords(v, text)
}

func parseWords(v *settler, text string) (Settings, []string, error) {
	p := parser{settler: v, rest: text}
	for p.more() {
		p.word++
		switch word := p.peek(); {
		case strings.ContainsAny(word[:1], `'"`):
			v.find(p.word, "", "word %d is a quoted value where an option should be; quotes go around a value, not around options", p.word)
			p.value()
			p.skipValues()
		case !startsWithDash(word):
			v.find(p.word, "", "word %d is not an option (a value with spaces must be quoted)", p.word)
			p.skipValues()
		default:
			p.option(word)
		}
	}
	if len(p.oneDash) > 0 {
		v.warn("options take two dashes; read as if they had: %s", strings.Join(p.oneDash, ", "))
	}
	return v.settle()
}

// parser walks through the words of the string form.
type parser struct {
	*settler
	rest    string   // what is not read yet
	word    int      // the number of the last word begun
	oneDash []string // options written with a single dash
}

// more skips to the next word and reports whether there is one.
func (p *parser) more() bool {
	p.rest = strings.TrimLeft(p.rest, space)
	return p.rest != ""
}

// peek is the rest up to the next space, whatever quotes say.
func (p *parser) peek() string {
	if i := strings.IndexAny(p.rest, space); i >= 0 {
		return p.rest[:i]
	}
	return p.rest
}

// option reads an option that begins with the given word, and its value.
func (p *parser) option(word string) {
	name, _, inline := strings.Cut(word, "=")
	p.rest = p.rest[len(name):]
	at := p.word

	opt, lead := lookup(name)
	i := strings.IndexFunc(lead, func(r rune) bool { return r != '-' })
	switch {
	case i >= 0:
		r, _ := utf8.DecodeRuneInString(lead[i:])
		p.find(at, "", "word %d starts with %s, not a hyphen; write it with %q", at, codePoint(r), "--")
	case opt == nil:
		p.find(at, "", "word %d: unknown option %s; known: %s", at, shownOption(name), known(p.store, 0))
	case lead == "-" && !slices.Contains(p.oneDash, name):
		p.oneDash = append(p.oneDash, name)
	}

	g := given{opt: opt, word: at}
	switch {
	case inline:
		p.rest = p.rest[1:]
		g.value, g.broken = p.value()
	case opt == nil:
		p.skipValues()
	case p.more() && p.valueAhead(opt):
		p.word++
		g.value, g.broken = p.value()
	case opt.values != nil:
		g.value = opt.values[0]
	}
	if opt != nil {
		p.add(g)
	}
}

// valueAhead reports whether the next word is the option's value. A key may
// begin with a dash, so only an option's name ends the wait for one.
func (p *parser) valueAhead(opt *option) bool {
	word := p.peek()
	if opt.values != nil {
		return !startsWithDash(word)
	}
	name, _, _ := strings.Cut(word, "=")
	next, _ := lookup(name)
	return next == nil
}

// value takes the value that begins here, quoted or bare, and reports whether
// its quotes are wrong.
func (p *parser) value() (v string, broken bool) {
	if p.rest == "" || !strings.ContainsAny(p.rest[:1], `'"`) {
		v = p.peek()
		p.rest = p.rest[len(v):]
		return v, false
	}
	quote := p.rest[:1]
	v, after, closed := strings.Cut(p.rest[1:], quote)
	p.rest = after
	if !closed {
		p.find(p.word, "", "word %d: quote %s is not closed", p.word, quote)
		return "", true
	}
	if glued := p.peek(); glued != "" {
		p.find(p.word, "", "word %d: a space must follow the closing quote %s", p.word, quote)
		p.rest = p.rest[len(glued):]
		return "", true
	}
	return v, false
}

// skipValues leaves out what can only belong to a word that was found wrong,
// so that one mistake is reported once.
func (p *parser) skipValues() {
	p.rest = p.rest[len(p.peek()):]
	for p.more() && !startsWithDash(p.rest) {
		p.word++
		p.value()
	}
}

func startsWithDash(word string) bool {
	return strings.TrimLeft(word, dashes) != word
}

// lookup finds an option by the name as written, and the dashes it is written
// with: one or two hyphens, or what an editor made of them.
func lookup(name string) (opt *option, lead string) {
	bare := strings.TrimLeft(name, dashes)
	lead = name[:len(name)-len(bare)]
	if lead == "" || strings.HasPrefix(lead, "---") {
		return nil, lead
	}
	return optionNamed("--" + bare), lead
}

func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }
