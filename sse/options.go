package sse

import (
	"regexp"
	"slices"
	"strings"
)

// An option is one row of the grammar. The table of them decides every name,
// what follows it, and which stores take it; the parsers only read the table.
type option struct {
	name    string
	repeats bool // may be given more than once

	// values are the values it may have; the first is meant when none is
	// given. An option without them needs a value.
	values []string
	// check tells what is wanted instead of a value that cannot be right.
	check func(store Store, value string) (want string)
	set   func(s *Settings, value string)

	// use marks an option whose value is the source of a customer key.
	use func(s *Settings, k Key)
	// algorithms are the options that name this key's algorithm, which S3
	// demands; the usual one comes first.
	algorithms []string

	// elsewhere are the stores that do not take the option, and what to do
	// there.
	elsewhere map[Store]string
}

// The options, in the order in which they are listed for a person.
const (
	optSSE       = "--sse"
	optC         = "--sse-c"
	optCKey      = "--sse-c-key"
	optKMSKeyID  = "--sse-kms-key-id"
	optReadC     = "--sse-read-c"
	optReadCKey  = "--sse-read-c-key"
	optScope     = "--sse-scope"
	optWriteC    = "--sse-write-c"
	optWriteCKey = "--sse-write-c-key"
)

const (
	useWriteKey = "use " + optWriteCKey
	azuresOwn   = "it names an encryption scope of Azure"
)

// bothKeys is why a store has no --sse-c: it is awscli's word, for its stores.
var bothKeys = map[Store]string{
	Azure: useWriteKey + " and " + optReadCKey,
	Local: useWriteKey + " and " + optReadCKey,
}

var options = []option{
	{
		name:   optSSE,
		values: []string{AES256, KMS, KMSDSSE},
		set:    func(s *Settings, v string) { s.Algorithm = v },
		elsewhere: map[Store]string{
			GCS:   "use " + optKMSKeyID + " for a Cloud KMS key",
			Azure: "encryption at rest is always on and cannot be disabled; " + useWriteKey + " or " + optScope + " for a key of your own",
			Local: useWriteKey + " to seal its files",
		},
	},
	{name: optC, values: []string{AES256}, elsewhere: bothKeys},
	{
		name:       optCKey,
		algorithms: []string{optC},
		use:        func(s *Settings, k Key) { s.WriteKey, s.ReadKeys = k, []Key{k} },
		elsewhere:  bothKeys,
	},
	{
		name:  optKMSKeyID,
		check: checkKMSKeyID,
		set:   func(s *Settings, v string) { s.KMSKeyID = v },
		elsewhere: map[Store]string{
			Azure: "use " + optScope + ", which may hold a key of Azure Key Vault",
			Local: useWriteKey + " to seal its files",
		},
	},
	{name: optReadC, values: []string{AES256}},
	{
		name:       optReadCKey,
		repeats:    true,
		algorithms: []string{optReadC, optC},
		use:        func(s *Settings, k Key) { s.ReadKeys = append(s.ReadKeys, k) },
	},
	{
		name:      optScope,
		check:     checkScope,
		set:       func(s *Settings, v string) { s.Scope = v },
		elsewhere: map[Store]string{S3: azuresOwn, GCS: azuresOwn, Local: azuresOwn},
	},
	{name: optWriteC, values: []string{AES256}},
	{
		name:       optWriteCKey,
		algorithms: []string{optWriteC, optC},
		use:        func(s *Settings, k Key) { s.WriteKey = k },
	},
}

// exclusive are the options of which only one may decide how objects are
// written, or which key reads them.
var exclusive = [][2]string{
	{optWriteCKey, optKMSKeyID},
	{optWriteCKey, optSSE},
	{optWriteCKey, optScope},
	{optCKey, optKMSKeyID},
	{optCKey, optSSE},
	{optCKey, optReadCKey},
	{optCKey, optWriteCKey},
}

// isAlgorithm reports whether the option only names a customer key's algorithm.
func (o *option) isAlgorithm() bool { return o.values != nil && o.set == nil }

// optionNamed returns the option of that name with its dashes, or nil.
func optionNamed(name string) *option {
	i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &options[i]
}

// known lists the options a store takes, without the first cut bytes of each.
func known(store Store, cut int) string {
	var names []string
	for _, o := range options {
		if _, no := o.elsewhere[store]; !no {
			names = append(names, o.name[cut:])
		}
	}
	return strings.Join(names, ", ")
}

// keysOf lists the key options whose algorithm the named option can give.
func keysOf(algorithm string) []string {
	var names []string
	for _, o := range options {
		if slices.Contains(o.algorithms, algorithm) {
			names = append(names, o.name)
		}
	}
	return names
}

var (
	// No quotes, so that every id can be written in the string form.
	kmsID = regexp.MustCompile(`^[!#-&(-~]+$`)
	// A key version is no key: the store picks the version.
	cloudKMSName = regexp.MustCompile(`^projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+$`)
	scopeName    = regexp.MustCompile(`^[A-Za-z0-9-]{3,63}$`)
)

func checkKMSKeyID(store Store, v string) string {
	switch {
	case store == GCS && !cloudKMSName.MatchString(v):
		return "projects/P/locations/L/keyRings/R/cryptoKeys/K"
	case !kmsID.MatchString(v):
		return "a key id, an ARN or alias/NAME, without spaces and quotes"
	}
	return ""
}

func checkScope(_ Store, v string) string {
	if !scopeName.MatchString(v) {
		return "the name of an encryption scope: 3 to 63 letters, digits and dashes"
	}
	return ""
}

// orList joins words as "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
