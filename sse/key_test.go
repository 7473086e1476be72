package sse_test

import (
	"errors"
	"testing"

	"sealdav/sse"
)

func TestNewKey(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 44, 64} {
		if k, err := sse.NewKey(make([]byte, n)); err == nil || !k.IsZero() {
			t.Errorf("NewKey of %d bytes: %v", n, err)
		}
	}
	b := []byte(testKeys["K1"])
	k, err := sse.NewKey(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if got := k.Bytes(); string(got[:]) != testKeys["K1"] {
		t.Error("the key changed with the slice it was made of")
	}
}

// The forms that go to the stores, as openssl makes them of the same bytes.
func TestKeyForms(t *testing.T) {
	k := mustKey(t, "0123456789abcdef0123456789abcdef")
	for _, c := range []struct{ what, got, want string }{
		{"Base64", k.Base64(), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
		{"MD5", k.MD5(), "hRasmdxgYDKV3nvbahU1MA=="},
		{"SHA256", k.SHA256(), "PrG9Q5lH63YpmOVmzMLgmceREYsvQFecxPfaK1Bht/k="},
		{"Fingerprint", k.Fingerprint(), "6951e43d37423f65"},
		{"Fingerprint of no key", sse.Key{}.Fingerprint(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s = %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestKeyEqual(t *testing.T) {
	k, same, other := mustKey(t, testKeys["K1"]), mustKey(t, testKeys["K1"]), mustKey(t, testKeys["K2"])
	zeros := mustKey(t, string(make([]byte, sse.KeySize)))
	for _, c := range []struct {
		name string
		a, b sse.Key
		want bool
	}{
		{"itself", k, k, true},
		{"the same bytes", k, same, true},
		{"other bytes", k, other, false},
		{"no key and a key", sse.Key{}, k, false},
		{"no key and zeros", sse.Key{}, zeros, false},
		{"no keys", sse.Key{}, sse.Key{}, true},
	} {
		if c.a.Equal(c.b) != c.want || c.b.Equal(c.a) != c.want {
			t.Errorf("%s: Equal is not %v", c.name, c.want)
		}
	}
	if b := (sse.Key{}).Bytes(); b != [sse.KeySize]byte{} {
		t.Error("no key has bytes")
	}
}

func TestGenerateKey(t *testing.T) {
	a, errA := sse.GenerateKey()
	b, errB := sse.GenerateKey()
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if a.IsZero() || b.IsZero() || a.Equal(b) {
		t.Error("two generated keys are the same, or none")
	}
}
