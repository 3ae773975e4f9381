package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
	"github.com/stallkeeper/stallkeeper/webhook"
)

// The processes are told of KooGallery here and nowhere else. Another marketplace is another file like this one, and a line in each
// of the three functions that follow.

// controllerProtocols are the marketplaces that the controller knows.
func controllerProtocols() protocol.Protocols {
	return protocol.Protocols{v1alpha1.ProtocolKooGallery: koogalleryProtocol()}
}

// callbackProtocols are the marketplaces whose callbacks are served.
func callbackProtocols() map[v1alpha1.MarketplaceProtocol]webhook.Protocol {
	return map[v1alpha1.MarketplaceProtocol]webhook.Protocol{v1alpha1.ProtocolKooGallery: koogalleryCallbacks}
}

// signOnProtocols are the marketplaces whose users sign in.
func signOnProtocols(loopbackHTTP bool) map[v1alpha1.MarketplaceProtocol]marketplace.SignOn {
	return map[v1alpha1.MarketplaceProtocol]marketplace.SignOn{
		v1alpha1.ProtocolKooGallery: &signon.SignOn{AllowLoopbackHTTP: loopbackHTTP},
	}
}

// koogalleryGrace is how long KooGallery keeps an expired resource frozen at the most before it releases it (protocol page,
// section 2: up to 15 days, by the customer's level).
const koogalleryGrace = 15 * 24 * time.Hour

// koogalleryProtocol is what the controller needs of KooGallery.
func koogalleryProtocol() protocol.Protocol {
	return protocol.Protocol{
		CheckCallbackKeys: func(data map[string][]byte) error {
			callbacks, err := koogallery.NewCallbacks(data)
			if err != nil {
				return err
			}
			return callbacks.CheckKit()
		},
		CallbackKeyKinds: koogallery.KeyKinds,
		SigningKeys:      koogallery.SigningKeys,
		NewOrderReader: func(api protocol.OpenAPI) (marketplace.OrderReader, error) {
			client, err := koogalleryClient(api)
			return openapi.Reader{Client: client}, err
		},
		// One of the mock orders of the protocol's page, section 10.
		SampleOrder: "MOCKONETIMENEW",
		NewLicenseClient: func(api protocol.OpenAPI) (marketplace.LicenseClient, error) {
			client, err := koogalleryClient(api)
			return openapi.Licenses{Client: client}, err
		},
		NewUsagePusher: func(api protocol.OpenAPI, callbackKeys map[string][]byte) (marketplace.UsagePusher, error) {
			key := strings.TrimRight(string(callbackKeys[koogallery.KeyAccess]), "\r\n")
			if key == "" {
				return nil, fmt.Errorf("it has no key %s, with which usage is signed: add it", koogallery.KeyAccess)
			}
			client, err := koogalleryClient(api)
			if err != nil {
				return nil, err
			}
			client.AccessKey, client.UsageAsNumber = key, api.UsageAsNumber
			return openapi.Pusher{Client: client}, nil
		},
		MaxUsageAge:  openapi.MaxUsageAge,
		DefaultGrace: koogalleryGrace,
	}
}

// koogalleryClient makes the client of KooGallery's open API.
func koogalleryClient(api protocol.OpenAPI) (*openapi.Client, error) {
	base, fallback, ok := openapi.Host(api.Site)
	if api.URL != "" {
		base, fallback, ok = api.URL, "", true
	}
	if !ok {
		return nil, fmt.Errorf("KooGallery has no site %q", api.Site)
	}
	return &openapi.Client{BaseURL: base, FallbackURL: fallback, AK: api.AccessKeyID, SK: api.SecretKey}, nil
}

// koogalleryCallbacks makes KooGallery's side of the callback server. The words of the API and of the package are equal.
func koogalleryCallbacks(secret map[string][]byte, settings webhook.Settings) (marketplace.Callbacks, error) {
	var options []koogallery.Option
	if len(settings.CallVersions) > 0 {
		versions := make([]koogallery.Version, len(settings.CallVersions))
		for i, version := range settings.CallVersions {
			versions[i] = koogallery.Version(version)
		}
		options = append(options, koogallery.WithVersions(versions...))
	}
	callbacks, err := koogallery.NewCallbacks(secret, options...)
	if err != nil {
		return nil, err
	}
	if settings.FieldEncryption == v1alpha1.FieldEncryptionAES128 {
		return callbacks.WithEncryptType(koogallery.EncryptAES128), nil
	}
	return callbacks, nil
}

// decoyCallbacks have keys that nobody knows: a call for a connection that does not exist is verified against them, so that it takes
// as long as any other.
func decoyCallbacks() (marketplace.Callbacks, error) {
	decoy, err := koogallery.NewCallbacks(map[string][]byte{
		koogallery.KeyAccess: []byte(rand.Text()), koogallery.KeyKit: []byte(rand.Text()),
	})
	if err != nil {
		return nil, fmt.Errorf("making the decoy's key: %w", err)
	}
	return decoy, nil
}
