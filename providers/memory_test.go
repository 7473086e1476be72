package providers_test

import (
	"strconv"
	"testing"

	"sealdav/providers"
)

func TestMemory(t *testing.T) {
	m := providers.NewMemory[int](10)
	for i := range 100 {
		m.Set(strconv.Itoa(i), i)
		if _, ok := m.Get("0"); !ok { // used, so kept
			t.Fatalf("what was used is forgotten after %d", i)
		}
	}
	held := 0
	for i := range 100 {
		if v, ok := m.Get(strconv.Itoa(i)); ok {
			if held++; v != i {
				t.Errorf("%d is remembered as %d", i, v)
			}
		}
	}
	if held < 10 || held > 30 {
		t.Errorf("%d of 100 are remembered", held)
	}
	m.Drop("0")
	if _, ok := m.Get("0"); ok {
		t.Error("what was dropped is remembered")
	}
}
