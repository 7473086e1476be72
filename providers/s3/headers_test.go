package s3_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/sse"
)

// TestReplaceKeepsHeaders: what other programs have set beside the metadata
// stays when that is replaced.
func TestReplaceKeepsHeaders(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket := store.NewBucket(t)
	b := open(t, config(store, bucket, sse.Settings{}))
	_, err := store.Client(t).PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("f"), Body: strings.NewReader("x"),
		CacheControl: aws.String("max-age=5"), ContentEncoding: aws.String("br"),
		ContentDisposition: aws.String("attachment"), ContentLanguage: aws.String("de"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"cache-control": "max-age=5", "content-encoding": "br", "content-disposition": "attachment", "content-language": "de"}
	src := stat(t, b, "f")
	for _, key := range []string{"f", "g"} {
		if diff := cmp.Diff(want, src.Headers); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		_, err := b.Copy(t.Context(), key, src, providers.CopyOptions{
			Condition: providers.Condition{IfMatch: map[bool]string{true: src.ETag}[key == "f"]},
			Replace:   true, ContentType: "text/x-odd", Metadata: map[string]string{"a": key},
		})
		if err != nil {
			t.Fatal(err)
		}
		if src = stat(t, b, key); src.Metadata["a"] != key || src.ContentType != "text/x-odd" {
			t.Errorf("%s: %+v", key, src)
		}
	}
	if diff := cmp.Diff(want, src.Headers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
