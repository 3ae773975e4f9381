package controllers

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// licenseAPI is a marketplace's license API with codes that a test mints.
type licenseAPI struct {
	mu      sync.Mutex
	codes   map[string]*licenseCode
	uploads map[string]upload
	// refusal answers every upload, and every question about several codes; nil for none.
	refusal, batchRefusal error
	// asked are the codes of each question about one or several.
	asked [][]string
}

// licenseCode is a code at the marketplace.
type licenseCode struct {
	marketplace.LicenseCode
	// err answers the next activations; activated is true after one.
	err       error
	activated bool
}

type upload struct{ name, content string }

// mints adds a code that sells three of a product.
func (a *licenseAPI) mints(code, productID string, changes ...func(*licenseCode)) {
	quantity := int32(3)
	minted := &licenseCode{LicenseCode: marketplace.LicenseCode{
		Code: code, State: marketplace.LicenseAlive, OrderID: "CS-" + code, ProductID: productID, Quantity: &quantity,
		ExpiresAt: time.Now().Add(240 * time.Hour).Truncate(time.Second),
	}}
	for _, change := range changes {
		change(minted)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.codes[code] = minted
}

// sets changes a code.
func (a *licenseAPI) sets(code string, change func(*licenseCode)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a.codes[code])
}

// refuses makes uploads and questions about several codes fail.
func (a *licenseAPI) refuses(uploads, batches error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal, a.batchRefusal = uploads, batches
}

// questions are the codes of the questions since the last time.
func (a *licenseAPI) questions() [][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

func (a *licenseAPI) uploaded(request string) upload {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.uploads[request]
}

func licenseError(kind error) error {
	return &marketplace.CallError{Kind: kind, Detail: "code 9202", Remedy: "do this"}
}

// ActivateLicense implements marketplace.LicenseClient.
func (a *licenseAPI) ActivateLicense(_ context.Context, code string) (marketplace.LicenseCode, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	minted, ok := a.codes[code]
	switch {
	case !ok:
		return marketplace.LicenseCode{}, licenseError(marketplace.ErrLicenseUnknown)
	case minted.err != nil:
		return marketplace.LicenseCode{}, minted.err
	case minted.activated:
		return marketplace.LicenseCode{}, licenseError(marketplace.ErrLicenseActivated)
	}
	minted.activated = true
	return minted.LicenseCode, nil
}

// QueryLicense implements marketplace.LicenseClient. As the real one it does not tell of order and product.
func (a *licenseAPI) QueryLicense(_ context.Context, code string) (marketplace.LicenseCode, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, []string{code})
	minted, ok := a.codes[code]
	switch {
	case !ok:
		return marketplace.LicenseCode{}, licenseError(marketplace.ErrLicenseUnknown)
	case !minted.activated:
		return marketplace.LicenseCode{}, licenseError(marketplace.ErrLicenseNotActivated)
	}
	return marketplace.LicenseCode{Code: code, State: minted.State, ExpiresAt: minted.ExpiresAt}, nil
}

// QueryLicenses implements marketplace.LicenseClient.
func (a *licenseAPI) QueryLicenses(_ context.Context, codes []string) ([]marketplace.LicenseCode, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, codes)
	if a.batchRefusal != nil {
		return nil, a.batchRefusal
	}
	var told []marketplace.LicenseCode
	for _, code := range codes {
		minted, ok := a.codes[code]
		if !ok || !minted.activated {
			return nil, licenseError(marketplace.ErrLicenseBatch)
		}
		told = append(told, marketplace.LicenseCode{Code: code, State: minted.State, ExpiresAt: minted.ExpiresAt})
	}
	return told, nil
}

// UploadLicense implements marketplace.LicenseClient.
func (a *licenseAPI) UploadLicense(_ context.Context, request string, license marketplace.LicenseFile, _ string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusal != nil {
		return a.refusal
	}
	a.uploads[request] = upload{license.Name, string(license.Content)}
	return nil
}

// withoutTemplate makes a product for which nothing runs, whose small plan is the product id P1.
func withoutTemplate(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Template, p.Spec.Isolation = v1alpha1.ProductTemplate{}, v1alpha1.Isolation{}
	for i := range p.Spec.Plans {
		p.Spec.Plans[i].Quota, p.Spec.Plans[i].Values = nil, nil
	}
	p.Spec.Access = v1alpha1.ProductAccess{FrontEndURL: "https://licences.example.com/{{ .instance.name }}", Memo: "{{ .quantity }} seats"}
	listedAs("P1")(p)
}

// listedAs makes a product id mean the small plan, whatever the SKU.
func listedAs(productID string) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		listing := &p.Spec.Plans[0].Listings[0]
		listing.ProductIDs, listing.SKUs = append(listing.ProductIDs, productID), nil
	}
}

// enters creates the instance of a license code as a person does.
func (x *shop) enters(name, code string, changes ...salestest.InstanceChange) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: name}}
	mpi.Spec.Subscription = &v1alpha1.Subscription{
		Marketplace: "koogallery", InstanceID: code, License: v1alpha1.License{Type: v1alpha1.LicenseTypeCode},
	}
	for _, change := range changes {
		change(mpi)
	}
	x.create(mpi)
	return mpi
}
