package sse

// Env looks an environment variable up; os.LookupEnv is one. A nil Env holds
// no variables.
type Env func(name string) (value string, set bool)

func (env Env) lookup(name string) (string, bool) {
	if env == nil {
		return "", false
	}
	return env(name)
}

// variables are Object Mount's, by the scheme of the URL they hold for. The
// alt schemes reach the same stores under a second set of options.
var variables = map[string]struct {
	store Store
	name  string
}{
	"s3":    {S3, "AWS_S3OPTIONS"},
	"gs":    {GCS, "GS_ENCRYPTION"},
	"alts3": {S3, "ALT_AWS_S3OPTIONS"},
	"altgs": {GCS, "ALT_GS_ENCRYPTION"},
}

// Variable is the name of the environment variable that holds the options of
// remotes of a URL scheme without options of their own; "" if there is none.
func Variable(scheme string) string { return variables[scheme].name }

// FromEnvironment reads the options of a URL scheme from its variable. found
// is false if the scheme has no variable or the variable is not set; an empty
// one is set, and asks for nothing. The rest is as of Parse, and every finding
// and warning names the variable.
func FromEnvironment(scheme string, env Env) (s Settings, warnings []string, found bool, err error) {
	from, ok := variables[scheme]
	if !ok {
		return Settings{}, nil, false, nil
	}
	text, set := env.lookup(from.name)
	if !set {
		return Settings{}, nil, false, nil
	}
	v := newSettler(from.store, env)
	v.variable = from.name
	s, warnings, err = parseVariable(v, text)
	return s, warnings, true, err
}
