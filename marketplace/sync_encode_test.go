package marketplace_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// largest is a call with as many users, and texts as long, as there can be.
func largest() marketplace.Sync {
	long := strings.Repeat("<", 512)
	s := marketplace.Sync{EnterpriseID: "e1", At: time.UnixMilli(1).UTC(), Action: marketplace.SyncPut}
	for i := range marketplace.MaxSyncUsers {
		s.Users = append(s.Users, marketplace.User{UserName: fmt.Sprintf("u%d", i), Name: long, Email: `a"b\c{[,]}`})
	}
	return s
}

func TestTheLargestSyncIsReadAgain(t *testing.T) {
	departments := marketplace.Sync{EnterpriseID: "e1", At: time.UnixMilli(1).UTC(), Action: marketplace.SyncPut, AllDepartments: true}
	for i := range marketplace.MaxSyncDepartments {
		departments.Departments = append(departments.Departments, marketplace.Department{Code: fmt.Sprintf("d%d", i), Name: "R&D"})
	}
	for sentence, s := range map[string]marketplace.Sync{"users": largest(), "departments": departments} {
		data, err := marketplace.EncodeSync(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := marketplace.DecodeSync(data)
		if err != nil {
			t.Fatalf("%s: %v", sentence, err)
		}
		if len(again.Users) != len(s.Users) || len(again.Departments) != len(s.Departments) {
			t.Errorf("%s: read %d users and %d departments", sentence, len(again.Users), len(again.Departments))
		}
		if once, _ := marketplace.EncodeSync(again); !cmp.Equal(string(once), string(data)) {
			t.Errorf("%s: it is another one", sentence)
		}
	}
}

// Whoever has the webhook's token can put anything into a call's Secret. 8 kB of gzip were 2.3 GiB here.
func TestDataThatAreNoSyncTakeNoMemory(t *testing.T) {
	head := `{"enterpriseId":"e1","atUnixMilli":1,"action":"Put",`
	fill := func(piece string) string { return strings.Repeat(piece, (marketplace.MaxEncodedSync-200)/len(piece)) }
	for sentence, data := range map[string]string{
		"users that are null":            head + `"users":[` + fill("null,") + `null]}`,
		"empty users":                    head + `"users":[` + fill("{},") + `{}]}`,
		"numbers for users":              head + `"users":[` + fill("1,") + `1]}`,
		"empty departments":              head + `"departments":[` + fill("{},") + `{}]}`,
		"users again and again":          head + fill(`"users":[{},{}],`) + `"users":[]}`,
		"lists in lists":                 head + `"users":` + fill("[") + `}`,
		"objects in objects":             head + `"x":` + fill(`{"a":`) + `}`,
		"a text as long as all":          head + `"enterprise":{"name":"` + fill("a") + `"}}`,
		"more things than there can be":  head + `"users":[` + strings.Repeat(`{"userName":"u"},`, 10_500) + `{"userName":"u"}]}`,
		"more bytes than there can be":   head + `"x":"` + fill("aa") + fill("aa") + `"}`,
		"a number as long as everything": head + `"atUnixMilli":` + fill("1") + `}`,
	} {
		t.Run(sentence, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := marketplace.DecodeSync([]byte(data))
			runtime.ReadMemStats(&after)
			if err == nil || strings.Contains(err.Error(), "aaaa") {
				t.Errorf("the error is %v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 5*marketplace.MaxEncodedSync {
				t.Errorf("it took %d MiB", took>>20)
			}
		})
	}
}

func FuzzDecodeSync(f *testing.F) {
	data, _ := marketplace.EncodeSync(largest())
	f.Add(data[:2000])
	f.Add([]byte(`{"enterpriseId":"e","action":"Put","users":[{"userName":"\"\\{["}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := marketplace.DecodeSync(data)
		if err != nil {
			return
		}
		if len(s.Users)+len(s.Departments) > marketplace.MaxSyncUsers+marketplace.MaxSyncDepartments {
			t.Errorf("%d users and %d departments", len(s.Users), len(s.Departments))
		}
		again, err := marketplace.EncodeSync(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := marketplace.DecodeSync(again); err != nil && len(again) < marketplace.MaxEncodedSync {
			t.Errorf("what was read can't be read again: %v", err)
		}
	})
}
