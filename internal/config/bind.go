package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// binder copies the parsed tables of one file into the structs of a Config,
// key by key, so that one wrong value hides no other.
type binder struct {
	file     string
	text     string
	env      Env
	md       toml.MetaData
	places   map[string]place // of each bound key, by its full name
	literals []string         // keys whose value is itself a secret
	findings Findings
	warnings Findings
}

type table = map[string]toml.Primitive

// place is a line and a column, from 1.
type place struct{ line, col int }

// placeOf is the place of a byte of a text.
func placeOf(text string, offset int) place {
	before := text[:min(max(offset, 0), len(text))]
	return place{1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')}
}

// maxEcho is the longest name, in bytes, that a finding repeats: a longer one
// is no key of ours, and may be a secret on the wrong side of an equals sign.
// A customer key has 32 bytes.
const maxEcho = 30

func (b *binder) find(key toml.Key, format string, args ...any) {
	b.findings = append(b.findings, b.finding(key, format, args...))
}

func (b *binder) warn(key toml.Key, format string, args ...any) {
	b.warnings = append(b.warnings, b.finding(key, format, args...))
}

// finding is placed at key, or at the nearest table around it that is in the
// file.
func (b *binder) finding(key toml.Key, format string, args ...any) Finding {
	f := Finding{File: b.file, Key: shown(key), Message: fmt.Sprintf(format, args...)}
	for k := key; len(k) > 0; k = k[:len(k)-1] {
		if p, ok := b.places[k.String()]; ok {
			f.Line, f.Col = p.line, p.col
			break
		}
	}
	return f
}

// shown is key as a finding repeats it.
func shown(key toml.Key) string {
	safe := slices.Clone(key)
	for i, part := range safe {
		if len(part) > maxEcho {
			safe[i] = fmt.Sprintf("(%d bytes)", len(part))
		}
	}
	return safe.String()
}

// has reports whether the file sets key.
func (b *binder) has(key ...string) bool { return b.md.IsDefined(key...) }

// place notes where p lies. The library tells the place of a value only in the
// error of its UnmarshalTOML, so one that always fails is asked.
func (b *binder) place(key toml.Key, p toml.Primitive) {
	err := b.md.PrimitiveDecode(p, refuser{})
	// A table that only the dotted names of others imply has no place. The
	// library's column is wrong at the begin of a line.
	if pe, ok := errors.AsType[toml.ParseError](err); ok && pe.Position.Line > 0 {
		b.places[key.String()] = placeOf(b.text, pe.Position.Start)
	}
}

type refuser struct{}

func (refuser) UnmarshalTOML(any) error { return errors.New("refused") }

// value is p without its type.
func (b *binder) value(p toml.Primitive) (v any) {
	_ = b.md.PrimitiveDecode(p, &v) // anything decodes into any
	return v
}

// tables is p as a table, after a finding if it is none.
func (b *binder) tables(key toml.Key, p toml.Primitive) (table, bool) {
	v := b.value(p)
	if _, ok := v.(map[string]any); !ok {
		b.find(key, "want a table, not %s", typeName(v))
		return nil, false
	}
	var t table
	_ = b.md.PrimitiveDecode(p, &t) // a table decodes into a map
	return t, true
}

// bindTable binds the keys of one table to the fields of a struct.
func (b *binder) bindTable(key toml.Key, t table, dst reflect.Value) {
	fields := fieldsOf(dst.Type())
	for name, p := range t {
		at := append(slices.Clone(key), name)
		b.place(at, p)
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("toml") == name })
		if i < 0 {
			b.find(at, "unknown key%s", didYouMean(name, keysOf(dst.Type())))
			continue
		}
		b.bindValue(at, p, dst.FieldByIndex(fields[i].Index))
	}
}

// bindValue binds one value: a table, a table of named tables, or a scalar.
func (b *binder) bindValue(key toml.Key, p toml.Primitive, dst reflect.Value) {
	switch {
	case dst.Kind() == reflect.Pointer: // a key that makes a difference by being there
		dst.Set(reflect.New(dst.Type().Elem()))
		b.bindValue(key, p, dst.Elem())
	case isNamed(dst.Type()):
		if t, ok := b.tables(key, p); ok {
			b.bindNamed(key, t, dst)
		}
	case isTable(dst.Type()):
		if t, ok := b.tables(key, p); ok {
			b.bindTable(key, t, dst)
		}
	default:
		v := b.value(p)
		if _, ok := v.(map[string]any); ok { // sse as a table
			t, _ := b.tables(key, p)
			for name, p := range t {
				b.place(append(slices.Clone(key), name), p)
			}
		}
		b.bindScalar(key, v, dst)
	}
}

// bindNamed binds the tables [key.NAME] to a slice of structs with a Name, in
// the order of the file.
func (b *binder) bindNamed(key toml.Key, t table, dst reflect.Value) {
	seen := map[string]bool{}
	for _, k := range b.md.Keys() {
		if len(k) <= len(key) || !slices.Equal(k[:len(key)], key) || seen[k[len(key)]] {
			continue
		}
		name := k[len(key)]
		seen[name] = true
		at := append(slices.Clone(key), name)
		b.place(at, t[name])
		entry, ok := b.tables(at, t[name])
		if !ok {
			continue
		}
		item := reflect.New(dst.Type().Elem()).Elem()
		item.FieldByName("Name").SetString(name)
		b.bindTable(at, entry, item)
		dst.Set(reflect.Append(dst, item))
	}
}

// bindScalar binds a value that is no table of ours.
func (b *binder) bindScalar(key toml.Key, v any, dst reflect.Value) {
	mismatch := func(want string) { b.find(key, "want %s, not %s", want, typeName(v)) }
	switch dst := dst.Addr().Interface().(type) {
	case *any: // sse: its own parser tells the rest
		*dst = v
		if _, isTable := v.(map[string]any); !isTable {
			if _, isString := v.(string); !isString {
				mismatch("a string or a table")
			}
		}
	case *bool:
		var ok bool
		if *dst, ok = v.(bool); !ok {
			mismatch("true or false")
		}
	case *int:
		n, ok := v.(int64)
		if !ok || n != int64(int(n)) {
			mismatch("a whole number")
		}
		*dst = int(n)
	case *[]string:
		list, ok := stringList(v)
		if !ok {
			mismatch("a list of strings")
		}
		*dst = list
	default:
		s, ok := v.(string)
		if !ok {
			mismatch("a string")
			return
		}
		b.bindString(key, s, dst)
	}
}

func (b *binder) bindString(key toml.Key, s string, dst any) {
	var err error
	switch dst := dst.(type) {
	case *string:
		*dst = s
	case *Secret:
		var literal bool
		if *dst, literal, err = resolveSecret(s, b.env); literal {
			b.literals = append(b.literals, shown(key))
		}
	case *time.Duration:
		if *dst, err = time.ParseDuration(s); err != nil || *dst < 0 {
			err = errors.New(`is not a duration; write it like "5s", "2m" or "0s"`)
		}
	case encoding.TextUnmarshaler:
		err = dst.UnmarshalText([]byte(s))
	}
	if err != nil {
		b.find(key, "%v", err)
	}
}

// stringList is v as a list of strings, never nil: an empty list of remotes is
// none of them, not all.
func stringList(v any) ([]string, bool) {
	items, ok := v.([]any)
	list := make([]string, len(items))
	for i, item := range items {
		var isString bool
		list[i], isString = item.(string)
		ok = ok && isString
	}
	return list, ok
}

// isNamed reports whether t is a slice of tables with names.
func isNamed(t reflect.Type) bool { return t.Kind() == reflect.Slice && isTable(t.Elem()) }

// isTable reports whether t is a struct that has keys of its own.
func isTable(t reflect.Type) bool { return t.Kind() == reflect.Struct && len(keysOf(t)) > 0 }

// fieldsOf are the fields of a struct that are keys.
func fieldsOf(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.Tag.Get("toml") == ""
	})
}

// keysOf are the keys of a struct.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, f.Tag.Get("toml"))
	}
	return keys
}

// typeName says what a parsed value is, never what it holds.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	case []any:
		return "a list"
	case nil:
		return "nothing"
	}
	return "a date"
}

// goodFor reports whether a key, by its field, may be set for a scheme.
func goodFor(f reflect.StructField, kind string) bool {
	kinds := f.Tag.Get("for")
	return kinds == "" || slices.Contains(strings.Fields(kinds), kind)
}
