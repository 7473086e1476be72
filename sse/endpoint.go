package sse

import "strings"

// CheckEndpoint refuses customer keys for an endpoint that is not https, as
// its URL's scheme tells, loopback included: who listens on the way has the
// key then. insecure is the remote's insecure_keys_over_http.
func (s Settings) CheckEndpoint(scheme string, insecure bool) error {
	if !s.HasCustomerKeys() || insecure || strings.EqualFold(scheme, "https") {
		return nil
	}
	option := optWriteCKey
	if s.WriteKey.IsZero() {
		option = optReadCKey
	}
	return &Error{
		Option: option,
		Msg: option + ": a customer key needs an https endpoint; over http it can be read on the way" +
			" (insecure_keys_over_http = true allows it, for tests)",
	}
}
