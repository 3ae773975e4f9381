package koogallery

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Lengths of the answer's fields in characters (protocol page 3.5 and 3.6).
const (
	MaxResultMsg  = 255
	MaxInstanceID = 64
	MaxURL        = 512
	MaxUserName   = 128
	MaxPassword   = 128
	MaxMemo       = 1024
)

// Response is the body of an answer (protocol page 3.5, 3.6, 5.4, 5.11 and 7.4).
type Response struct {
	ResultCode string `json:"resultCode"`
	ResultMsg  string `json:"resultMsg"`
	// EncryptType says how userName and password are encrypted; SaaS V1.0 only.
	EncryptType EncryptType `json:"encryptType,omitempty"`
	InstanceID  string      `json:"instanceId,omitempty"`
	// AppInfo is in the answers to newInstance of SaaS V1.0.
	AppInfo *AppInfo       `json:"appInfo,omitempty"`
	Info    []InstanceInfo `json:"info,omitempty"`
	// License is in the answers to getLicense of License 1.0.
	License string `json:"license,omitempty"`
}

// InstanceInfo is what queryInstance answers about one instance (protocol page 3.6).
type InstanceInfo struct {
	InstanceID string      `json:"instanceId"`
	AppInfo    *AppInfo    `json:"appInfo,omitempty"`
	UsageInfo  []UsageInfo `json:"usageInfo,omitempty"`
}

// AppInfo is how a buyer reaches an instance (protocol page 3.6). In SaaS V1.0 UserName and Password are encrypted. It holds a
// password: never log it.
type AppInfo struct {
	FrontEndURL string `json:"frontEndUrl"`
	AdminURL    string `json:"adminUrl,omitempty"`
	UserName    string `json:"userName,omitempty"`
	Password    string `json:"password,omitempty"`
	Memo        string `json:"memo,omitempty"`
}

// UsageInfo is what an instance that is billed by usage has used (protocol page 3.6).
type UsageInfo struct {
	RelatedInstanceID string `json:"relatedInstanceId,omitempty"`
	// UsageValue has up to 8 digits and 4 decimals.
	UsageValue json.Number `json:"usageValue"`
	// StatisticalTime is yyyyMMddHHmmssSSS in UTC.
	StatisticalTime string `json:"statisticalTime"`
	DashboardURL    string `json:"dashboardUrl,omitempty"`
}

// sampleAccess is what a debug query is answered for any id: its shape is what the console checks.
var sampleAccess = marketplace.Access{
	FrontEndURL: "https://app.example.com/",
	AdminURL:    "https://app.example.com/admin",
	UserName:    "admin",
	Password:    "debug-call-sample",
	Memo:        "Sample data of a debug call.",
	License:     "DEBUG-CALL-SAMPLE",
}

// Encode makes the answer, of which codes.go says the result. Its status is always 200: with any other KooGallery reads no
// code (protocol page 2). It is signed with the key that verified the call, and not at all when none did: else a stranger could have
// texts signed, and see whose key signs. With the same one the user names and passwords of SaaS V1.0 are encrypted. What is longer than
// documented would make KooGallery refuse the whole answer, so messages and memos are cut, and a URL, name or password, which would be
// wrong when cut, is left out; without a front-end URL, which is mandatory, all of appInfo is.
func (c *Callbacks) Encode(proof marketplace.Proof, event marketplace.Event, outcome marketplace.Outcome) marketplace.Answer {
	key := c.answerKey(proof)
	found := resultOf(event, outcome)
	response := Response{ResultCode: found.code, ResultMsg: cut(found.message, MaxResultMsg)}
	write := plain
	if proof.Generation == GenerationV1 {
		write = c.encryptedWith(key)
	}
	switch event.Kind {
	case marketplace.Purchase:
		describePurchase(&response, event, outcome.Instance, write)
	case marketplace.Query:
		if found.code == ResultSuccess {
			response.Info = infos(event, outcome.Instances, write)
		}
	}
	if proof.Generation == GenerationV1 && response.hasCredentials() {
		response.EncryptType = c.encrypt
	}
	body := marshalASCII(response)
	header := http.Header{"Content-Type": {"application/json"}}
	if key != nil {
		header[HeaderBodySign] = []string{BodySign(key, body)}
	}
	return marketplace.Answer{Status: http.StatusOK, Header: header, Body: body, Code: found.code}
}

// describePurchase tells the id as soon as there is one, and with a success what the call wants.
func describePurchase(response *Response, event marketplace.Event, instance marketplace.Instance, write writer) {
	if answerableID(instance.ID) {
		response.InstanceID = instance.ID
	}
	if response.ResultCode != ResultSuccess {
		return
	}
	if event.Test {
		instance.Access = &sampleAccess
	}
	switch event.Wants {
	case marketplace.WantAccess:
		response.AppInfo = appInfo(instance.Access, write)
	case marketplace.WantLicense:
		response.License = licenseOf(instance)
	}
}

func licenseOf(instance marketplace.Instance) string {
	if instance.Access == nil {
		return ""
	}
	return instance.Access.License
}

// infos describes the instances that are ready, or every instance asked about in a debug call. A debug call does not say how the
// product is charged: the sample has usage, which is mandatory where it is by use and allowed elsewhere (protocol page 3.6).
func infos(event marketplace.Event, instances []marketplace.Instance, write writer) []InstanceInfo {
	var described []InstanceInfo
	if event.Test {
		usage := usageInfo([]marketplace.Usage{{Value: 1, At: event.SentAt}})
		for _, id := range event.InstanceIDs {
			described = append(described, InstanceInfo{InstanceID: id, AppInfo: appInfo(&sampleAccess, write), UsageInfo: usage})
		}
		return described
	}
	for _, instance := range instances {
		if instance.State == marketplace.StateReady && answerableID(instance.ID) {
			described = append(described, InstanceInfo{
				InstanceID: instance.ID, AppInfo: appInfo(instance.Access, write), UsageInfo: usageInfo(instance.Usage),
			})
		}
	}
	return described
}

// writer puts a user name or password into the form of a generation; empty when it does not fit.
type writer func(text string) string

// plain is the form of SaaS V2.0, where user name and password have the same length.
func plain(text string) string { return orNothing(text, MaxUserName) }

// encryptedWith is the form of SaaS V1.0.
func (c *Callbacks) encryptedWith(key []byte) writer {
	return func(text string) string {
		if text == "" {
			return ""
		}
		// What can't be encrypted is too long.
		encrypted, _ := EncryptField(key, c.encrypt, text)
		return encrypted
	}
}

func appInfo(access *marketplace.Access, write writer) *AppInfo {
	if access == nil || orNothing(access.FrontEndURL, MaxURL) == "" {
		return nil
	}
	return &AppInfo{
		FrontEndURL: access.FrontEndURL,
		AdminURL:    orNothing(access.AdminURL, MaxURL),
		UserName:    write(access.UserName),
		Password:    write(access.Password),
		Memo:        cut(access.Memo, MaxMemo),
	}
}

// hasCredentials reports whether something in the answer is encrypted in SaaS V1.0.
func (r *Response) hasCredentials() bool {
	infos := append([]InstanceInfo{{AppInfo: r.AppInfo}}, r.Info...)
	return slices.ContainsFunc(infos, func(info InstanceInfo) bool {
		return info.AppInfo != nil && info.AppInfo.UserName+info.AppInfo.Password != ""
	})
}

// usageInfo leaves out totals that no number of the documented form can say.
func usageInfo(usage []marketplace.Usage) []UsageInfo {
	const maxValue = 99_999_999.9999
	var described []UsageInfo
	for _, used := range usage {
		if math.IsNaN(used.Value) || used.Value < 0 || used.Value > maxValue {
			continue
		}
		value := strconv.FormatFloat(math.Abs(math.Round(used.Value*1e4)/1e4), 'f', -1, 64)
		described = append(described, UsageInfo{
			RelatedInstanceID: orNothing(used.InstanceID, MaxInstanceID),
			UsageValue:        json.Number(value),
			StatisticalTime:   strings.Replace(used.At.UTC().Format("20060102150405.000"), ".", "", 1),
			DashboardURL:      orNothing(used.DashboardURL, MaxURL),
		})
	}
	return described
}

func answerableID(id string) bool {
	return orNothing(id, MaxInstanceID) != ""
}

func orNothing(text string, maxLength int) string {
	if length(text) > maxLength {
		return ""
	}
	return text
}

// cut shortens a text to at most maxLength characters, and never to half a character.
func cut(text string, maxLength int) string {
	room := maxLength
	for at, r := range text {
		if room -= utf16.RuneLen(r); room < 0 {
			return text[:at]
		}
	}
	return text
}

// marshalASCII writes JSON in which every character beyond ASCII is escaped, as KooGallery asks for memos (protocol page
// 3.6), so that no reader's idea of the encoding matters.
func marshalASCII(value any) []byte {
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	// Structs of strings and of numbers that were just written can't fail.
	_ = encoder.Encode(value)
	var ascii strings.Builder
	for _, r := range strings.TrimSuffix(written.String(), "\n") {
		if r < 0x7F {
			ascii.WriteByte(byte(r)) //nolint:gosec // r is below 0x7F
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			ascii.WriteString(`\u`)
			const hexDigits = "0123456789abcdef"
			for shift := 12; shift >= 0; shift -= 4 {
				ascii.WriteByte(hexDigits[unit>>shift&0xF])
			}
		}
	}
	return []byte(ascii.String())
}
