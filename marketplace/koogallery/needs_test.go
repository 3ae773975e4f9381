package koogallery_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// bodies have all fields of the activities that have a body (protocol page 3, 7 and 11), as KooGallery sends them.
var bodies = map[string]map[string]any{
	"newInstance":   {"orderId": "CS1", "orderLineId": "CS1-1", "businessId": "b"},
	"queryInstance": {"instanceId": "i-1"},
	"refreshInstance": {
		"scene": "RENEWAL", "orderId": "CS1", "orderLineId": "CS1-1", "instanceId": "i-1", "productId": "P", "expireTime": "20301231155959",
	},
	"updateInstanceStatus": {"instanceId": "i-1", "status": "FREEZE"},
	"releaseInstance":      {"instanceId": "i-1", "orderId": "CS1", "orderLineId": "CS1-1"},
	"upgradeInstance":      {"instanceId": "i-1", "orderId": "CS1", "orderLineId": "CS1-1"},
	"changeInstanceCheck":  {"instanceId": "i-1", "productInfo": map[string]any{"skuCode": "S"}},
	"refreshLicenseCode": {
		"scene": "RENEWAL", "orderId": "CS1", "orderLineId": "CS1-1", "license": "PL1", "productId": "P", "expireTime": "20301231155959",
	},
	"updateLicenseCodeStatus": {"license": "PL1", "status": "FREEZE"},
	"releaseLicenseCode":      {"license": "PL1", "orderId": "CS1", "orderLineId": "CS1-1"},
	"getLicenseAsync": {
		"instanceId": "i-1", "eventId": "e", "effectiveTime": "2023-10-27 10:30:15 z", "expireTime": "2030-10-27 10:30:15 z", "deviceFingerprint": "f",
	},
	"orderNotify": {"orderId": "CS1", "orderLineId": "CS1-1"},
}

// queries are all parameters of those that have none (protocol page 5 and 7.4).
var queries = func() map[string]map[string]string {
	order := map[string]string{
		"orderId": "CS1", "customerId": "C", "customerName": "N", "userId": "u", "userName": "n", "mobilePhone": "m", "email": "e", "businessId": "b",
		"skuCode": "S", "productId": "P", "trialFlag": "0", "expireTime": "20301231155959", "chargingMode": "1", "saasExtendParams": "W10=",
		"amount": "5", "diskSize": "5", "bandWidth": "5", "periodType": "year", "periodNumber": "1", "orderAmount": "1", "provisionType": "1",
		"acceptanceTime": "20260301120000000",
	}
	refresh := map[string]string{
		"orderId": "CS1", "instanceId": "i", "productId": "P", "expireTime": "20301231155959", "trialToFormal": "0", "periodType": "year", "orderAmount": "1",
	}
	upgrade := map[string]string{"orderId": "CS1", "instanceId": "i", "skuCode": "S", "productId": "P", "amount": "5", "diskSize": "5", "bandWidth": "5", "saasExtendParams": "W10="}
	ends := map[string]string{"instanceId": "i", "orderId": "CS1", "orderAmount": "1"}
	return map[string]map[string]string{
		"newInstance": order, "getLicense": order, "refreshInstance": refresh, "refreshLicense": refresh, "upgrade": upgrade,
		"expireInstance": ends, "expireLicense": ends, "releaseInstance": ends, "releaseLicense": ends,
		"instanceStatus": {"instanceId": "i", "instanceStatus": "FREEZE"}, "queryInstance": {"instanceId": "i"},
	}
}()

// kitBodies are the same of the Kit (protocol page 8.2), with a member of each list.
var kitBodies = map[string]map[string]any{
	"tenantSync":      {"orderId": "CS1", "tenantCode": "c", "name": "n", "domainName": "d.example.com", "flag": 1},
	"applicationSync": {"appId": "a", "clientId": "c", "clientSecret": "s", "flag": 0},
	"authSync": {"appId": "a", "flag": 1, "currentSyncTime": "20260301120000000", "userList": []any{map[string]any{
		"userName": "u", "name": "n", "orgCode": "o", "position": "p", "employeeCode": "e", "employeeType": 1, "role": "user", "enable": "true",
		"mobile": "m", "email": "e", "workPlace": "w", "entryDate": "2026-01-1", "extension": map[string]any{"workPlace": "w"},
	}}},
	"singleOrgSync": {"orgCode": "o", "orgName": "n", "parentCode": "p", "flag": 1},
	"allOrgSync":    {"orgInfoList": []any{map[string]any{"orgCode": "o", "orgName": "n", "parentCode": "p"}}},
}

// anything is a JSON value of any form.
func anything() *rapid.Generator[json.RawMessage] {
	return rapid.Custom(func(t *rapid.T) json.RawMessage {
		text := rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("订", 5000)), rapid.SampledFrom([]string{"\x00", "\t", "-1", "1e9", "0", "%", "20300231155959"}))
		values := []any{nil, true, 0, -1.5, 1e300, []any{}, map[string]any{"a": []any{1}}, text.Draw(t, "text"), []any{text.Draw(t, "element")}}
		raw, err := json.Marshal(rapid.SampledFrom(values).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	})
}

// leaveOut leaves a field out or not.
func leaveOut[V any](t *rapid.T, fields map[string]V, name string) {
	if rapid.IntRange(0, 3).Draw(t, name+" is there") == 0 {
		delete(fields, name)
	}
}

func TestNothingThatIsNotNeededRefusesABody(t *testing.T) {
	if diff := difference(koogallery.BodyNeeds(), bodies); diff != "" {
		t.Fatal(diff)
	}
	callbacks := allKeys(t)
	for activity, needs := range koogallery.BodyNeeds() {
		t.Run(activity, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				body := map[string]any{"activity": activity, "unknown": anything().Draw(t, "unknown"), "testFlag": anything().Draw(t, "testFlag")}
				for name, value := range bodies[activity] {
					if body[name] = value; !slices.Contains(needs, name) {
						body[name] = anything().Draw(t, name)
						leaveOut(t, body, name)
					}
				}
				raw, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				if len(raw) > koogallery.MaxBody {
					t.Skip()
				}
				event, err := callbacks.Decode(marketplace.Request{Method: "POST", Body: raw})
				if err != nil {
					t.Fatalf("%v of %s", err, raw)
				}
				checkNotes(t, event, slices.Sorted(maps.Keys(bodies[activity])))
			})
			// What is needed is: without it, or with what can't be read, there is no sale.
			for _, name := range needs {
				body := map[string]any{"activity": activity}
				maps.Copy(body, bodies[activity])
				body[name] = []any{"x"}
				raw, _ := json.Marshal(body)
				if _, err := callbacks.Decode(marketplace.Request{Method: "POST", Body: raw}); err == nil {
					t.Errorf("%s is called needed, and is not", name)
				}
			}
		})
	}
}

func TestNothingThatIsNotNeededRefusesAQuery(t *testing.T) {
	if diff := difference(koogallery.QueryNeeds(), queries); diff != "" {
		t.Fatal(diff)
	}
	callbacks := allKeys(t)
	for activity, needs := range koogallery.QueryNeeds() {
		t.Run(activity, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				params := map[string]string{"activity": activity, "timeStamp": "20260301120000000", "unknown": rapid.String().Draw(t, "unknown")}
				for name, value := range queries[activity] {
					if params[name] = value; !slices.Contains(needs, name) {
						params[name] = rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9.\-]{0,20}`)).Draw(t, name)
						leaveOut(t, params, name)
					}
				}
				request := queryCall{accessKey, params}.request()
				if len(request.Query) > koogallery.MaxQuery {
					t.Skip()
				}
				event, err := callbacks.Decode(request)
				if err != nil {
					t.Fatalf("%v of %v", err, params)
				}
				if event.Order != nil {
					if _, err := marketplace.EncodeOrder(*event.Order); err != nil {
						t.Fatal(err)
					}
				}
				checkNotes(t, event, slices.Sorted(maps.Keys(queries[activity])))
			})
			for _, name := range needs {
				params := map[string]string{"activity": activity, "timeStamp": "20260301120000000"}
				maps.Copy(params, queries[activity])
				params[name] = "\x00"
				switch {
				case activity == "upgrade" && (name == "skuCode" || name == "productId"):
					// One of the two is enough.
					params["skuCode"], params["productId"] = "\x00", "\x00"
				case name == "productId":
					params["chargingMode"] = "0"
				}
				if _, err := callbacks.Decode(queryCall{accessKey, params}.request()); err == nil {
					t.Errorf("%s is called needed, and is not", name)
				}
			}
		})
	}
}

func TestNothingThatIsNotNeededRefusesACallOfTheKit(t *testing.T) {
	if diff := difference(koogallery.KitNeeds(), kitBodies); diff != "" {
		t.Fatal(diff)
	}
	callbacks := kitCallbacksOnce()
	for activity, needs := range koogallery.KitNeeds() {
		t.Run(activity, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var names []string
				body := map[string]any{"tenantId": "t", "instanceId": "i", "timeStamp": "20260301120000000", "testFlag": anything().Draw(t, "testFlag")}
				replaced := func(name string, value any) any {
					if names = append(names, name); slices.Contains(needs, name) {
						return value
					}
					return anything().Draw(t, name)
				}
				for name, value := range kitBodies[activity] {
					list, ok := value.([]any)
					if !ok {
						if body[name] = replaced(name, value); !slices.Contains(needs, name) {
							leaveOut(t, body, name)
						}
						continue
					}
					element := map[string]any{}
					for inner, value := range list[0].(map[string]any) {
						element[inner] = replaced(name+"."+inner, value)
						names = append(names, name+"."+inner)
					}
					body[name] = []any{element}
				}
				raw, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				event, err := callbacks.Decode(marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + activity, Body: raw})
				if err != nil {
					t.Fatalf("%v of %s", err, raw)
				}
				if _, err := marketplace.EncodeSync(*event.Sync); err != nil {
					t.Fatal(err)
				}
				checkNotes(t, event, names)
			})
		})
	}
}

// A note is the name of a field, and never a word of the caller.
func checkNotes(t *rapid.T, event marketplace.Event, fields []string) {
	for _, note := range event.Notes {
		if !slices.Contains(fields, note) {
			t.Fatalf("the note %q is no field", note)
		}
	}
}

func difference[A, B any](needs map[string]A, known map[string]B) string {
	have, want := slices.Sorted(maps.Keys(needs)), slices.Sorted(maps.Keys(known))
	if slices.Equal(have, want) {
		return ""
	}
	return strings.Join(have, " ") + " are not the activities of the test, " + strings.Join(want, " ")
}

// A parameter that anything is done with and that is not known as one could hide in another.
func TestEveryParameterThatIsReadIsKnown(t *testing.T) {
	unread := map[string]bool{"businessId": true, "periodType": true, "periodNumber": true, "provisionType": true}
	for activity, params := range queries {
		for name := range params {
			if !unread[name] && !koogallery.QueryParameters[name] {
				t.Errorf("%s of %s", name, activity)
			}
		}
	}
}
