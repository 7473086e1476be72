package config

import (
	"strings"
	"testing"
)

// TestCredentialsOfVariables: what is wrong with the variables of Azure's and
// Google's own tools is a finding too.
func TestCredentialsOfVariables(t *testing.T) {
	for _, tc := range []struct {
		name, url string
		env       map[string]string
		want      string // "": all is well
	}{
		{"key", "az://c", map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": canary + "!"}, "AZURE_STORAGE_KEY is not an account key"},
		{"connection string", "az://c", map[string]string{"AZURE_STORAGE_CONNECTION_STRING": canary}, "AZURE_STORAGE_CONNECTION_STRING is not a connection string"},
		{"http, and a key", "az://c", map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": "Q0FOQVJZ", "AZURE_STORAGE_BLOB_ENDPOINT": "http://127.0.0.1:1/acc"}, ""},
		{"http, and an identity", "az://c", map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_BLOB_ENDPOINT": "http://127.0.0.1:1/acc"}, "no token of an identity"},
		{"http, and a key for the blobs", "az://c", map[string]string{
			"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=http://127.0.0.1:1/acc;AccountName=acc;AccountKey=Q0FOQVJZ",
		}, ""},
		{"an emulator of Google's", "gs://b", map[string]string{"STORAGE_EMULATOR_HOST": "emulator:4443"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := FromURLs([]string{tc.url}, envOf(tc.env))
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v, want %q", err, tc.want)
			case err != nil && strings.Contains(err.Error(), canary):
				t.Errorf("a secret is repeated: %v", err)
			}
		})
	}
}
