package sse_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/sse"
)

func TestCandidates(t *testing.T) {
	k1, k2, k3 := mustKey(t, testKeys["K1"]), mustKey(t, testKeys["K2"]), mustKey(t, testKeys["K3"])
	for _, c := range []struct {
		name string
		s    sse.Settings
		want []string
	}{
		{"nothing set", sse.Settings{}, []string{"no key:"}},
		{"a write key", sse.Settings{WriteKey: k1}, []string{"write key:K1", "no key:"}},
		{"read keys first", sse.Settings{WriteKey: k1, ReadKeys: []sse.Key{k3, k2}},
			[]string{"read key 1:K3", "read key 2:K2", "write key:K1", "no key:"}},
		{"each key once", sse.Settings{WriteKey: k1, ReadKeys: []sse.Key{k2, k1, k2, k3}},
			[]string{"read key 1:K2", "read key 2:K1", "read key 4:K3", "no key:"}},
	} {
		var got []string
		for _, candidate := range c.s.Candidates() {
			got = append(got, candidate.Place+":"+name(candidate.Key))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestSealedAndDescribe(t *testing.T) {
	k := mustKey(t, testKeys["K1"])
	for _, c := range []struct {
		store  sse.Store
		s      sse.Settings
		sealed bool
		keys   bool
		want   string
	}{
		{sse.S3, sse.Settings{}, false, false, "as the store does by default"},
		{sse.Azure, sse.Settings{}, false, false, "as the account does by default, always on"},
		{sse.S3, sse.Settings{ReadKeys: []sse.Key{k}}, false, true, "as the store does by default, 1 read key"},
		{sse.S3, sse.Settings{WriteKey: k, ReadKeys: []sse.Key{k, k}}, true, true, "customer key (SSE-C), 2 read keys"},
		{sse.GCS, sse.Settings{WriteKey: k}, true, true, "customer key (CSEK)"},
		{sse.Azure, sse.Settings{WriteKey: k}, true, true, "customer key (CPK)"},
		{sse.Local, sse.Settings{WriteKey: k}, true, true, "customer key"},
		{sse.S3, sse.Settings{Algorithm: sse.AES256}, true, false, "keys of the store (SSE-S3)"},
		{sse.S3, sse.Settings{Algorithm: sse.KMS}, true, false, "the account's default KMS key"},
		{sse.S3, sse.Settings{Algorithm: sse.KMS, KMSKeyID: "alias/x"}, true, false, "KMS key alias/x"},
		{sse.S3, sse.Settings{Algorithm: sse.KMSDSSE, KMSKeyID: "alias/x"}, true, false, "two layers of KMS key alias/x (DSSE-KMS)"},
		{sse.GCS, sse.Settings{KMSKeyID: "projects/p"}, true, false, "Cloud KMS key projects/p"},
		{sse.S3, sse.Settings{Algorithm: sse.KMS, KMSKeyID: testKeys["K2"]}, true, false, "KMS key <32 bytes, not shown>"},
		{sse.S3, sse.Settings{Algorithm: sse.KMS, KMSKeyID: k.Base64()}, true, false, "KMS key <44 bytes, not shown>"},
		{sse.Azure, sse.Settings{Scope: "my-scope"}, true, false, "encryption scope my-scope"},
	} {
		if got := c.s.Describe(c.store); got != c.want {
			t.Errorf("Describe(%v) = %q, want %q", c.store, got, c.want)
		}
		if c.s.Sealed() != c.sealed || c.s.HasCustomerKeys() != c.keys {
			t.Errorf("%s: Sealed %v, HasCustomerKeys %v", c.want, c.s.Sealed(), c.s.HasCustomerKeys())
		}
	}
}

func TestCheckEndpoint(t *testing.T) {
	k := mustKey(t, testKeys["K1"])
	const why = ": a customer key needs an https endpoint; over http it can be read on the way (insecure_keys_over_http = true allows it, for tests)"
	for _, c := range []struct {
		name     string
		s        sse.Settings
		scheme   string
		insecure bool
		want     string
	}{
		{"write key over https", sse.Settings{WriteKey: k}, "https", false, ""},
		{"write key over HTTPS", sse.Settings{WriteKey: k}, "HTTPS", false, ""},
		{"write key over http", sse.Settings{WriteKey: k}, "http", false, "sse: --sse-write-c-key" + why},
		{"write key over something", sse.Settings{WriteKey: k}, "", false, "sse: --sse-write-c-key" + why},
		{"write key over http, allowed", sse.Settings{WriteKey: k}, "http", true, ""},
		{"read key over http", sse.Settings{ReadKeys: []sse.Key{k}}, "http", false, "sse: --sse-read-c-key" + why},
		{"KMS over http", sse.Settings{Algorithm: sse.KMS}, "http", false, ""},
		{"nothing over http", sse.Settings{}, "http", false, ""},
	} {
		got := ""
		if err := c.s.CheckEndpoint(c.scheme, c.insecure); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	k1 := testKeys["K1"]
	for _, c := range []struct {
		name, scheme string
		vars         map[string]string
		found        bool
		want         string
	}{
		{"S3", "s3", map[string]string{"AWS_S3OPTIONS": "--sse-write-c AES256 --sse-write-c-key " + k1, "ALT_AWS_S3OPTIONS": "--sse"}, true, "= write=K1"},
		{"S3, alternate", "alts3", map[string]string{"AWS_S3OPTIONS": "--sse", "ALT_AWS_S3OPTIONS": "--sse aws:kms"}, true, "= sse=aws:kms"},
		{"GCS", "gs", map[string]string{"GS_ENCRYPTION": "--sse-write-c-key " + k1}, true, "= write=K1"},
		{"GCS, alternate", "altgs", map[string]string{"ALT_GS_ENCRYPTION": "--sse-read-c-key " + k1}, true, "= read=K1"},
		{"the alternate's is not the main one's", "s3", map[string]string{"ALT_AWS_S3OPTIONS": "--sse"}, false, "= plain"},
		{"not set", "altgs", nil, false, "= plain"},
		{"empty is set", "s3", map[string]string{"AWS_S3OPTIONS": ""}, true, "= plain"},
		{"no variable for Azure", "az", map[string]string{"": "--sse"}, false, "= plain"},
		{"no such scheme", "S3", map[string]string{"AWS_S3OPTIONS": "--sse"}, false, "= plain"},
		{"findings and warnings name it", "gs", map[string]string{"GS_ENCRYPTION": "-sse-write-c-key env:MISSING"}, true,
			"? sse: options take two dashes; read as if they had: -sse-write-c-key (in GS_ENCRYPTION)\n" +
				"! sse: --sse-write-c-key: environment variable MISSING is not set (in GS_ENCRYPTION)"},
		{"it leads to no other", "s3", map[string]string{"AWS_S3OPTIONS": "env:OTHER", "OTHER": "--sse"}, true,
			"! sse: the variable holds env:, which leads no further; put the options themselves there (in AWS_S3OPTIONS)"},
	} {
		f := fixture{vars: c.vars}
		s, warnings, found, err := sse.FromEnvironment(c.scheme, f.env)
		if diff := cmp.Diff(c.want, report(t, s, warnings, err)); diff != "" || found != c.found {
			t.Errorf("%s: found %v (-want +got):\n%s", c.name, found, diff)
		}
	}
}

func TestVariable(t *testing.T) {
	for scheme, want := range map[string]string{
		"s3": "AWS_S3OPTIONS", "gs": "GS_ENCRYPTION", "alts3": "ALT_AWS_S3OPTIONS", "altgs": "ALT_GS_ENCRYPTION",
		"az": "", "file": "", "": "",
	} {
		if got := sse.Variable(scheme); got != want {
			t.Errorf("Variable(%q) = %q, want %q", scheme, got, want)
		}
	}
}

func TestEnvIsLookupEnv(t *testing.T) {
	t.Setenv("SEALDAV_TEST_OPTIONS", "--sse")
	s, _, err := sse.Parse(sse.S3, "env:SEALDAV_TEST_OPTIONS", os.LookupEnv)
	if err != nil || s.Algorithm != sse.AES256 {
		t.Errorf("%v, %v", s, err)
	}
	if _, _, err := sse.Parse(sse.S3, "env:SEALDAV_TEST_OPTIONS", nil); err == nil {
		t.Error("a nil Env holds a variable")
	}
}

// A caller finds the place of each finding without reading its text.
func TestErrors(t *testing.T) {
	f := fixture{vars: map[string]string{"OPTIONS": "--sse --foo --sse-write-c-key short --sse aws:kms"}}
	_, _, err := sse.Parse(sse.S3, "env:OPTIONS", f.env)
	all, ok := errors.AsType[sse.Errors](err)
	if !ok {
		t.Fatalf("not sse.Errors: %T", err)
	}
	type place struct {
		Word             int
		Option, Variable string
	}
	var got []place
	for _, e := range all {
		got = append(got, place{e.Word, e.Option, e.Variable})
		if !errors.Is(err, e) {
			t.Errorf("errors.Is does not find %v", e)
		}
	}
	want := []place{
		{2, "", "OPTIONS"},
		{3, "--sse-write-c-key", "OPTIONS"},
		{5, "--sse", "OPTIONS"},
		{0, "--sse-write-c-key", "OPTIONS"}, // also needs --sse-write-c
		{0, "--sse-write-c-key", "OPTIONS"}, // and excludes --sse
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if first, ok := errors.AsType[*sse.Error](err); !ok || !strings.HasPrefix(first.Error(), "sse: word 2:") {
		t.Errorf("the first finding is %v", first)
	}
}
