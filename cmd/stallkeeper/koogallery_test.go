package main

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/webhook"
)

// Without callVersions the weak versions are refused; the words of the API are those of the package.
func TestWeakVersionsAreOffUnlessTheyAreNamed(t *testing.T) {
	words := map[koogallery.Version]bool{}
	for _, version := range koogallery.AllVersions() {
		words[version] = true
	}
	for _, version := range []v1alpha1.KooGalleryCallVersion{
		v1alpha1.CallVersionSaaSV2, v1alpha1.CallVersionSaaSV1, v1alpha1.CallVersionLicenseV2, v1alpha1.CallVersionLicenseV1,
		v1alpha1.CallVersionOnlineLicense, v1alpha1.CallVersionKitV2, v1alpha1.CallVersionKitV1, v1alpha1.CallVersionOrderNotification,
	} {
		if !words[koogallery.Version(version)] {
			t.Errorf("no version is named %s", version)
		}
		delete(words, koogallery.Version(version))
	}
	if len(words) > 0 {
		t.Errorf("the API does not know %v", words)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	secret := map[string][]byte{koogallery.KeyAccess: []byte("the-key")}
	for named, want := range map[v1alpha1.KooGalleryCallVersion]bool{"": false, v1alpha1.CallVersionSaaSV2: false, v1alpha1.CallVersionSaaSV1: true} {
		settings := webhook.Settings{}
		if named != "" {
			settings.CallVersions = []v1alpha1.KooGalleryCallVersion{named}
		}
		callbacks, err := koogalleryCallbacks(secret, settings)
		if err != nil {
			t.Fatal(err)
		}
		params := map[string]string{"activity": "queryInstance", "instanceId": "i1", "timeStamp": "20260101000000000"}
		query := url.Values{"authToken": {koogallery.AuthToken([]byte("the-key"), params)}}
		for name, value := range params {
			query.Set(name, value)
		}
		_, err = callbacks.Verify(marketplace.Request{Method: http.MethodGet, Query: query.Encode(), Header: http.Header{}}, at)
		if accepted := err == nil; accepted != want || !want && errors.Is(err, marketplace.ErrUnauthenticated) {
			t.Errorf("with %q: %v", named, err)
		}
	}
}
