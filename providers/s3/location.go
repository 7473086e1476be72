package s3

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Location implements providers.Located. Amazon's buckets have one name space,
// whatever the endpoint.
func (b *Bucket) Location() string {
	host := "amazonaws.com"
	if !b.amazon {
		host = strings.ToLower(strings.TrimRight(aws.ToString(b.client.Options().BaseEndpoint), "/"))
	}
	return "s3://" + host + "/" + b.bucket + "/" + b.base
}
