package koogallery

import (
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// paramWeLink is the extension parameter of products that run on the WeLink open platform (protocol page 10).
const paramWeLink = "platformParams"

// Attributes that WeLinkAttributes makes.
const (
	// AttributeWeLinkTenantName is the buyer's company in WeLink.
	AttributeWeLinkTenantName = "welink.tenantName"
	// AttributeWeLinkTenantID is the company's id.
	AttributeWeLinkTenantID = "welink.tenantId"
	// AttributeWeLinkUserID is the user who subscribed, usually an administrator; may be deactivated later.
	AttributeWeLinkUserID = "welink.userId"
)

// WeLinkAttributes takes the extension parameter platformParams apart: its value is JSON, which no template could read. Of an
// order's extendParams and of V1.0's saasExtendParams alike. ok is false for other parameters, and for a value that can't be
// read, which is then an attribute like any other. Members that are empty make no attribute.
func WeLinkAttributes(name, value string) (attributes []marketplace.Attribute, ok bool) {
	if name != paramWeLink {
		return nil, false
	}
	var params struct {
		TenantName looseText `json:"tenantName"`
		// Both spellings are in use (protocol page 13).
		TennantID looseText `json:"tennantId"`
		TenantID  looseText `json:"tenantId"`
		UserID    looseText `json:"userId"`
	}
	if exact.Unmarshal([]byte(value), &params) != nil {
		return nil, false
	}
	if params.TenantID == "" {
		params.TenantID = params.TennantID
	}
	for _, member := range []struct {
		name  string
		value looseText
	}{
		{AttributeWeLinkTenantName, params.TenantName},
		{AttributeWeLinkTenantID, params.TenantID},
		{AttributeWeLinkUserID, params.UserID},
	} {
		if member.value != "" {
			attributes = append(attributes, marketplace.Attribute{Name: member.name, Value: string(member.value)})
		}
	}
	return attributes, len(attributes) > 0
}
