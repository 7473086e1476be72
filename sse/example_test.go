package sse_test

import (
	"fmt"

	"sealdav/sse"
)

func ExampleParse() {
	env := func(name string) (string, bool) {
		return "base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", name == "PHOTOS_KEY"
	}
	s, _, err := sse.Parse(sse.S3, "--sse-write-c AES256 --sse-write-c-key env:PHOTOS_KEY", env)
	fmt.Println(s.Describe(sse.S3), err)

	_, _, err = sse.Parse(sse.S3, "--sse-write-c-key env:PHOTOS_KEY --sse-kms-key-id alias/photos", env)
	fmt.Println(err)
	// Output:
	// customer key (SSE-C) <nil>
	// sse: --sse-write-c-key also needs --sse-write-c AES256
	// sse: --sse-write-c-key and --sse-kms-key-id exclude each other
}

func ExampleParseTable() {
	s, _, err := sse.ParseTable(sse.GCS, map[string]any{
		"sse-write-c-key": "raw:0123456789abcdef0123456789abcdef",
		"sse-read-c-key":  []any{"hex:3031323334353637383961626364656630313233343536373839616263646566"},
	}, nil)
	fmt.Println(s.Describe(sse.GCS), err)
	for _, c := range s.Candidates() {
		fmt.Println(c.Place, c.Key)
	}
	// Output:
	// customer key (CSEK), 1 read key <nil>
	// read key 1 **redacted**
	// no key **redacted**
}
