package s3

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealdav/providers"
	"sealdav/sse"
)

// answer is what a store says about the encryption of an object.
type answer struct {
	mode      types.ServerSideEncryption
	kmsKey    *string
	algorithm *string
	keyMD5    *string
}

// silent reports whether the store said nothing at all.
func (a answer) silent() bool {
	return a.mode == "" && aws.ToString(a.algorithm) == "" && aws.ToString(a.keyMD5) == ""
}

// describe is the answer in the words of package providers. place names the
// customer key that was sent.
func (a answer) describe(place string) providers.Encryption {
	switch {
	case aws.ToString(a.algorithm) != "":
		return providers.Encryption{Mode: providers.ModeCustomer, Key: place}
	case a.mode != "":
		return providers.Encryption{Mode: string(a.mode), Key: aws.ToString(a.kmsKey)}
	}
	return providers.Encryption{Mode: providers.ModeNone}
}

// confirmed reports whether an answer confirms the write settings.
func (e encryption) confirmed(a answer) bool {
	if key := e.settings.WriteKey; !key.IsZero() {
		return aws.ToString(a.algorithm) == sse.AES256 && aws.ToString(a.keyMD5) == key.MD5()
	}
	switch mode := e.mode(); mode {
	case "":
		return true
	case sse.KMS, sse.KMSDSSE:
		return string(a.mode) == mode && sameKMSKey(e.settings.KMSKeyID, aws.ToString(a.kmsKey))
	default:
		return string(a.mode) == mode
	}
}

// sameKMSKey reports whether the key a store names is the one that was asked
// for. A store answers with the ARN of the key; what was asked for may be that,
// the id at its end, an alias, which only the KMS can resolve, or nothing.
func sameKMSKey(asked, told string) bool {
	switch {
	case told == "":
		return false
	case asked == "", strings.HasPrefix(asked, "alias/"), strings.Contains(asked, ":alias/"):
		return true
	case asked == told:
		return true
	}
	return strings.HasSuffix(told, "/"+asked) || strings.HasSuffix(told, ":"+asked)
}

// required reports whether an object lies under an encryption of the kind the
// settings name, which is what RequireEncrypted demands of what is read.
func (e encryption) required(enc providers.Encryption) bool {
	if enc.Mode == providers.ModeCustomer {
		return true
	}
	switch e.mode() {
	case sse.AES256:
		return enc.Mode != providers.ModeNone
	case sse.KMS:
		return enc.Mode == providers.ModeKMS || enc.Mode == providers.ModeDSSE
	case sse.KMSDSSE:
		return enc.Mode == providers.ModeDSSE
	}
	return !e.settings.HasCustomerKeys() && enc.Mode != providers.ModeNone
}
