package locks

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseTimeout returns the timeout that a Timeout header (RFC 4918 section
// 10.7) asks for: the first of its choices that makes sense, but at most limit,
// which must be positive. Infinite is limit. Where there is none it is fallback.
func ParseTimeout(header string, fallback, limit time.Duration) time.Duration {
	for choice := range strings.SplitSeq(header, ",") {
		choice = strings.TrimSpace(choice)
		if strings.EqualFold(choice, "Infinite") {
			return limit
		}
		unit, number, _ := strings.Cut(choice, "-")
		if !strings.EqualFold(unit, "Second") {
			continue
		}
		seconds, ok := parseSeconds(number)
		if ok && seconds > 0 {
			return min(seconds, limit)
		}
	}
	return min(fallback, limit)
}

// parseSeconds reads digits; what a Duration cannot hold is its maximum.
func parseSeconds(digits string) (time.Duration, bool) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(time.Second) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * time.Second, true
}

// ParseLockToken returns the token in a Lock-Token header (RFC 4918 section
// 10.5). The angle brackets may be missing: some clients send UNLOCK so.
func ParseLockToken(header string) (string, error) {
	token := strings.TrimSpace(header)
	if inner, ok := strings.CutPrefix(token, "<"); ok {
		if token, ok = strings.CutSuffix(inner, ">"); !ok {
			token = ""
		}
	}
	if !isURI(token) {
		return "", fmt.Errorf("%w: Lock-Token is not <URI>", ErrBadHeader)
	}
	return token, nil
}
