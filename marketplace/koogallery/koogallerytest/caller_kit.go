package koogallerytest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// Kit makes the calls of the joint-operations Kit. The Caller's AccessKey has to be the Kit's. Of the Options it knows Debug,
// WrongKey, Skew, and in V2 also LowerHex, Seconds and Reordered.
type Kit struct {
	caller Caller
	v1     bool
}

// Kit is the same caller for the Kit's V2.
func (c Caller) Kit() Kit { return Kit{caller: c} }

// KitV1 is the same caller for the Kit's V1.
func (c Caller) KitV1() Kit { return Kit{caller: c, v1: true} }

// KitTenant are the fields of tenantSync (protocol page 8.2). What is empty is sent as an empty text.
type KitTenant struct {
	InstanceID, OrderID, TenantID, TenantCode, Name, DomainName string
	// Flag is one of koogallery's Flag constants.
	Flag int
}

// KitApplication are the fields of applicationSync (protocol page 8.2).
type KitApplication struct {
	InstanceID, TenantID, AppID, ClientID string
	// ClientSecret is in plain; it is encrypted on the way with PublicKey. Without a key it is sent as it is.
	ClientSecret string
	PublicKey    *rsa.PublicKey
	// Digests of the encryption; the zero value is SHA-256 with a mask of SHA-1 (protocol page 8.3).
	Digests rsa.OAEPOptions
	Flag    int
}

// KitUser is one member of userList (protocol page 8.2). What is empty is left out.
type KitUser struct {
	UserName     string `json:"userName"`
	Name         string `json:"name,omitempty"`
	OrgCode      string `json:"orgCode,omitempty"`
	Position     string `json:"position,omitempty"`
	EmployeeCode string `json:"employeeCode,omitempty"`
	// EmployeeType is 1 to 4; 0 is left out. WorkPlace and EntryDate stand in a nested extension in V1, and so does it.
	EmployeeType int    `json:"employeeType,omitempty"`
	Role         string `json:"role,omitempty"`
	// Enable is true or false, as a text.
	Enable    string `json:"enable,omitempty"`
	Mobile    string `json:"mobile,omitempty"`
	Email     string `json:"email,omitempty"`
	WorkPlace string `json:"workPlace,omitempty"`
	EntryDate string `json:"entryDate,omitempty"`
}

// KitUsers are the fields of authSync (protocol page 8.2).
type KitUsers struct {
	InstanceID, TenantID, AppID string
	Users                       []KitUser
	Flag                        int
}

// KitDepartment is a department (protocol page 8.2).
type KitDepartment struct{ Code, Name, ParentCode string }

// TenantSync tells of an enterprise.
func (k Kit) TenantSync(ctx context.Context, tenant KitTenant) (*Exchange, error) {
	return k.call(ctx, koogallery.ActivityTenantSync, tenant.InstanceID, tenant.TenantID, map[string]any{
		"orderId": tenant.OrderID, "tenantCode": tenant.TenantCode, "name": tenant.Name, "domainName": tenant.DomainName,
		"flag": tenant.Flag,
	})
}

// ApplicationSync tells of an enterprise's account with the application.
func (k Kit) ApplicationSync(ctx context.Context, application KitApplication) (*Exchange, error) {
	secret, err := application.encrypted()
	if err != nil {
		return nil, err
	}
	return k.call(ctx, koogallery.ActivityApplicationSync, application.InstanceID, application.TenantID, map[string]any{
		"appId": application.AppID, "clientId": application.ClientID, "clientSecret": secret, "flag": application.Flag,
	})
}

func (a KitApplication) encrypted() (string, error) {
	if a.PublicKey == nil || a.ClientSecret == "" {
		return a.ClientSecret, nil
	}
	digests := a.Digests
	if digests.Hash == 0 {
		digests = rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}
	}
	encrypted, err := rsa.EncryptOAEPWithOptions(rand.Reader, a.PublicKey, []byte(a.ClientSecret), &digests)
	if err != nil {
		return "", fmt.Errorf("encrypting the client secret: %w", err)
	}
	return base64.StdEncoding.EncodeToString(encrypted), nil
}

// AuthSync tells of users who may use the application.
func (k Kit) AuthSync(ctx context.Context, users KitUsers) (*Exchange, error) {
	list := make([]any, 0, len(users.Users))
	for _, user := range users.Users {
		list = append(list, k.user(user))
	}
	return k.call(ctx, koogallery.ActivityAuthSync, users.InstanceID, users.TenantID, map[string]any{
		"appId": users.AppID, "userList": k.list(list), "currentSyncTime": k.timeStamp(), "flag": users.Flag,
	})
}

// user is a member of userList in the form of the generation.
func (k Kit) user(user KitUser) any {
	if !k.v1 {
		return user
	}
	flat := user
	flat.WorkPlace, flat.EntryDate, flat.EmployeeType = "", "", 0
	fields := map[string]any{}
	// A struct of texts can't fail.
	_ = json.Unmarshal(marshal(flat), &fields)
	extension := map[string]any{"workPlace": user.WorkPlace, "entryDate": user.EntryDate}
	if user.EmployeeType != 0 {
		extension["employeeType"] = fmt.Sprint(user.EmployeeType)
	}
	fields["extension"] = extension
	return fields
}

// SingleOrgSync tells of one department.
func (k Kit) SingleOrgSync(ctx context.Context, instanceID, tenantID string, department KitDepartment, flag int) (*Exchange, error) {
	return k.call(ctx, koogallery.ActivitySingleOrgSync, instanceID, tenantID, map[string]any{
		"orgCode": department.Code, "orgName": department.Name, "parentCode": department.ParentCode, "flag": flag,
	})
}

// AllOrgSync tells of all departments of an enterprise.
func (k Kit) AllOrgSync(ctx context.Context, instanceID, tenantID string, departments ...KitDepartment) (*Exchange, error) {
	list, member, name := make([]any, 0, len(departments)), "orgInfoList", "orgName"
	if k.v1 {
		member, name = "orgInfo", "name"
	}
	for _, department := range departments {
		list = append(list, map[string]any{"orgCode": department.Code, name: department.Name, "parentCode": department.ParentCode})
	}
	return k.call(ctx, koogallery.ActivityAllOrgSync, instanceID, tenantID, map[string]any{member: k.list(list)})
}

// list is a list in the form of the generation: V1 has it as JSON in a string.
func (k Kit) list(list []any) any {
	if k.v1 {
		return string(marshal(list))
	}
	return list
}

func (k Kit) timeStamp() string {
	const ahead = 8 * time.Hour
	return timeText(k.caller.now().Add(ahead), milliTime)
}

func (k Kit) call(ctx context.Context, activity, instanceID, tenantID string, fields map[string]any) (*Exchange, error) {
	fields["instanceId"], fields["tenantId"], fields["timeStamp"], fields["testFlag"] = instanceID, tenantID, k.timeStamp(), 0
	if k.caller.Options.Debug {
		fields["testFlag"] = 1
	}
	payload := marshal(fields)
	if k.caller.Options.Reordered && !k.v1 {
		return k.signAndSend(ctx, activity, payload, reordered(fields))
	}
	return k.signAndSend(ctx, activity, payload, payload)
}

// Send signs the very bytes of any body and sends them.
func (k Kit) Send(ctx context.Context, activity string, body []byte) (*Exchange, error) {
	return k.signAndSend(ctx, activity, body, body)
}

func (k Kit) signAndSend(ctx context.Context, activity string, payload, body []byte) (*Exchange, error) {
	key, path := k.caller.AccessKey, koogallery.KitV2Path
	if k.caller.Options.WrongKey {
		key += "-wrong"
	}
	header := http.Header{}
	if k.v1 {
		path = koogallery.KitPath
		header["authToken"] = []string{koogallery.AuthToken([]byte(key), tokenParams(payload))}
	} else {
		nonce, timestamp := k.caller.nonce(), k.caller.timestamp()
		sign := koogallery.KitSign([]byte(key), nonce, timestamp, payload)
		if !k.caller.Options.LowerHex {
			sign = strings.ToUpper(sign)
		}
		maps.Copy(header, http.Header{"x-sign": {sign}, "x-timestamp": {timestamp}, "x-nonce": {nonce}})
	}
	sent := message{method: http.MethodPost, target: k.target(path + activity), header: header, body: body}
	sent.readBody()
	sent.activity = activity
	return k.caller.exchange(ctx, sent)
}

// tokenParams are the members of a body as a token of V1 joins them.
func tokenParams(body []byte) map[string]string {
	members := map[string]json.RawMessage{}
	// What is no object is signed as an empty one.
	_ = json.Unmarshal(body, &members)
	params := map[string]string{}
	for name, value := range members {
		text := string(value)
		_ = json.Unmarshal(value, &text)
		params[name] = text
	}
	return params
}

// target is the callback URL with a path appended.
func (k Kit) target(path string) string {
	base, query, found := strings.Cut(k.caller.URL, "?")
	base = strings.TrimSuffix(base, "/") + path
	if found {
		return base + "?" + query
	}
	return base
}
