package locks

import (
	"errors"
	"fmt"
	"strings"
)

// ErrBadHeader: a request header is malformed or asks for too much, which is
// the client's error.
var ErrBadHeader = errors.New("bad header")

// What an If header may ask for. Clients send one or two lists; the bounds are
// there for those who mean harm: every ETag may cost a request to the store.
const (
	maxIfBytes      = 10_000
	maxIfConditions = 1000
	maxIfETags      = 32
)

// List is one parenthesised list of an If header. It holds if all of its
// conditions do.
type List struct {
	// Tag is the resource the list speaks of as the client wrote it, an
	// absolute URL or a path, percent-encoded; "" for the request's own.
	Tag        string
	Conditions []Condition
}

// Condition asks for a state token or for an entity tag; the other is "".
type Condition struct {
	Not   bool
	Token string // without its angle brackets
	ETag  string // as in an ETag header: "x" or W/"x", quotes included
}

// ParseIf parses an If header (RFC 4918 section 10.4.2). Its errors are
// ErrBadHeader. An empty header is one too: a request without an If header has
// nothing to parse.
func ParseIf(header string) ([]List, error) {
	if len(header) > maxIfBytes {
		return nil, fmt.Errorf("%w: If has %d bytes, more than %d", ErrBadHeader, len(header), maxIfBytes)
	}
	p := ifParser{rest: header, size: len(header)}
	lists, err := p.lists()
	if err != nil {
		return nil, fmt.Errorf("%w: If: %w", ErrBadHeader, err)
	}
	return lists, nil
}

type ifParser struct {
	rest       string
	size       int
	conditions int
}

// lists parses 1*List / 1*( Resource-Tag 1*List ). A list after a tag belongs
// to that tag, so an untagged one can only be seen to mix when it comes first.
func (p *ifParser) lists() (lists []List, err error) {
	tag, pending := "", false // pending: a tag still without a list
	for {
		switch p.next() {
		case 0:
			if len(lists) == 0 || pending {
				return nil, p.unexpected("a list")
			}
			return lists, nil
		case '<':
			if pending {
				return nil, p.unexpected("a list")
			}
			if len(lists) > 0 && tag == "" {
				return nil, errors.New("a list for a tagged resource follows one without a tag")
			}
			if tag, err = p.coded(); err != nil {
				return nil, err
			}
			pending = true
		case '(':
			l := List{Tag: tag}
			if l.Conditions, err = p.list(); err != nil {
				return nil, err
			}
			lists, pending = append(lists, l), false
		default:
			return nil, p.unexpected("a list")
		}
	}
}

// list parses "(" 1*Condition ")".
func (p *ifParser) list() (conditions []Condition, err error) {
	p.rest = p.rest[1:]
	for {
		var c Condition
		if p.next() == ')' && len(conditions) > 0 {
			p.rest = p.rest[1:]
			return conditions, nil
		}
		if len(p.rest) >= 3 && strings.EqualFold(p.rest[:3], "not") {
			c.Not = true
			p.rest = p.rest[3:]
		}
		switch p.next() {
		case '<':
			c.Token, err = p.coded()
		case '[':
			c.ETag, err = p.etag()
		default:
			err = p.unexpected("a state token or an entity tag")
		}
		if err != nil {
			return nil, err
		}
		if p.conditions++; p.conditions > maxIfConditions {
			return nil, fmt.Errorf("more than %d conditions", maxIfConditions)
		}
		conditions = append(conditions, c)
	}
}

// coded parses "<" URI ">". What is between the brackets only has to be free of
// what no URI contains: as a token it is compared, as a tag it is resolved, and
// neither goes well with one that is not a URI.
func (p *ifParser) coded() (string, error) {
	i := strings.IndexByte(p.rest, '>')
	if i < 0 {
		return "", p.unexpected(`a URI that ends in ">"`)
	}
	uri := p.rest[1:i]
	if !isURI(uri) {
		return "", p.unexpected("a URI")
	}
	p.rest = p.rest[i+1:]
	return uri, nil
}

// isURI reports whether s is not empty and has none of the characters that
// cannot be in a URI and matter here. Other bytes are let through, as clients
// send names they forgot to encode.
func isURI(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '<' || r == '>' || r == '"'
	})
}

// etag parses "[" entity-tag "]".
func (p *ifParser) etag() (string, error) {
	s := p.rest[1:]
	weak := strings.HasPrefix(s, "W/")
	s = strings.TrimPrefix(s, "W/")
	if !strings.HasPrefix(s, `"`) {
		return "", p.unexpected("an entity tag in quotes")
	}
	n := strings.IndexByte(s[1:], '"')
	if n < 0 || !strings.HasPrefix(s[n+2:], "]") {
		return "", p.unexpected(`an entity tag that ends in "]`)
	}
	tag := s[:n+2]
	if strings.ContainsFunc(tag, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", p.unexpected("an entity tag without control characters")
	}
	p.rest = s[n+3:]
	if weak {
		tag = "W/" + tag
	}
	return tag, nil
}

// next skips white space and returns the byte that follows, 0 at the end.
func (p *ifParser) next() byte {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *ifParser) unexpected(want string) error {
	return fmt.Errorf("want %s at byte %d", want, p.size-len(p.rest))
}

// Tokens returns the state tokens that lists submit, each once. A token counts
// as submitted wherever it appears, behind Not and in a list that does not hold
// too (RFC 4918 section 10.4.1).
func Tokens(lists []List) []string {
	var tokens []string
	seen := make(map[string]bool)
	for _, l := range lists {
		for _, c := range l.Conditions {
			if c.Token != "" && !seen[c.Token] {
				seen[c.Token] = true
				tokens = append(tokens, c.Token)
			}
		}
	}
	return tokens
}
