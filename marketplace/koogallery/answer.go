package koogallery

import (
	"bytes"
	"encoding/json"
	"net/http"
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

// Response is the body of an answer (protocol page 3.5 and 3.6).
type Response struct {
	ResultCode string         `json:"resultCode"`
	ResultMsg  string         `json:"resultMsg"`
	InstanceID string         `json:"instanceId,omitempty"`
	Info       []InstanceInfo `json:"info,omitempty"`
}

// InstanceInfo is what queryInstance answers about one instance (protocol page 3.6).
type InstanceInfo struct {
	InstanceID string   `json:"instanceId"`
	AppInfo    *AppInfo `json:"appInfo,omitempty"`
}

// AppInfo is how a buyer reaches an instance (protocol page 3.6). It holds a password: never log it.
type AppInfo struct {
	FrontEndURL string `json:"frontEndUrl"`
	AdminURL    string `json:"adminUrl,omitempty"`
	UserName    string `json:"userName,omitempty"`
	Password    string `json:"password,omitempty"`
	Memo        string `json:"memo,omitempty"`
}

// sampleAccess is what a debug query is answered for any id: its shape is what the console checks.
var sampleAccess = marketplace.Access{
	FrontEndURL: "https://app.example.com/",
	AdminURL:    "https://app.example.com/admin",
	UserName:    "admin",
	Password:    "debug-call-sample",
	Memo:        "Sample data of a debug call.",
}

// Encode makes the answer, of which codes.go says the result. Its status is always 200: with any other KooGallery reads no
// code (protocol page 2). It is signed with the key that verified the call, or with the present one when none did. What is
// longer than documented would make KooGallery refuse the whole answer, so messages and memos are cut, and a URL, name or
// password, which would be wrong when cut, is left out; without a front-end URL, which is mandatory, all of appInfo is.
func (c *Callbacks) Encode(proof marketplace.Proof, event marketplace.Event, outcome marketplace.Outcome) marketplace.Answer {
	found := resultOf(event, outcome)
	response := Response{ResultCode: found.code, ResultMsg: cut(found.message, MaxResultMsg)}
	switch event.Kind {
	case marketplace.Purchase:
		if answerableID(outcome.Instance.ID) {
			response.InstanceID = outcome.Instance.ID
		}
	case marketplace.Query:
		if found.code == ResultSuccess {
			response.Info = infos(event, outcome.Instances)
		}
	}
	body := marshalASCII(response)
	return marketplace.Answer{
		Status: http.StatusOK,
		Header: http.Header{
			"Content-Type": {"application/json"},
			HeaderBodySign: {BodySign(c.answerKey(proof.KeyName), body)},
		},
		Body: body,
		Code: found.code,
	}
}

// infos describes the instances that are ready, or every instance asked about in a debug call.
func infos(event marketplace.Event, instances []marketplace.Instance) []InstanceInfo {
	var described []InstanceInfo
	if event.Test {
		for _, id := range event.InstanceIDs {
			described = append(described, InstanceInfo{InstanceID: id, AppInfo: appInfo(&sampleAccess)})
		}
		return described
	}
	for _, instance := range instances {
		if instance.State == marketplace.StateReady && answerableID(instance.ID) {
			described = append(described, InstanceInfo{InstanceID: instance.ID, AppInfo: appInfo(instance.Access)})
		}
	}
	return described
}

func appInfo(access *marketplace.Access) *AppInfo {
	if access == nil || orNothing(access.FrontEndURL, MaxURL) == "" {
		return nil
	}
	return &AppInfo{
		FrontEndURL: access.FrontEndURL,
		AdminURL:    orNothing(access.AdminURL, MaxURL),
		UserName:    orNothing(access.UserName, MaxUserName),
		Password:    orNothing(access.Password, MaxPassword),
		Memo:        cut(access.Memo, MaxMemo),
	}
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
	// Structs of strings can't fail.
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
