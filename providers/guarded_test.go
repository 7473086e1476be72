package providers_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"sealdav/providers"
)

func TestGuarded(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	for _, want := range []error{nil, io.EOF} {
		if err := providers.Guarded(log, "put", "k", func() error { return want }); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if logged.Len() > 0 {
		t.Errorf("logged %s", &logged)
	}
	err := providers.Guarded(log, "put", "k", func() error { panic("a bug") })
	if e, ok := errors.AsType[*providers.Error](err); !ok || e.Kind != providers.ErrUnavailable || e.Op != "put" || e.Key != "k" {
		t.Errorf("a panic is %v", err)
	}
	if !strings.Contains(logged.String(), "guarded_test.go") {
		t.Errorf("the log does not say where: %s", &logged)
	}
}
