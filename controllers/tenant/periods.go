package tenant

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Periods are what decides when a tenant's data go. They stand on its namespace, so that a product or plan that is gone shortens none of
// them.
type Periods struct {
	// Grace is how long the tenant runs on after its paid time, Retention how long its data are kept after it was stopped for good.
	Grace, Retention time.Duration
	// Deletes says that the data are deleted after the retention; otherwise only a release does that.
	Deletes bool
}

// periods is the stored form, in whole seconds. A field that is missing makes all of it unknown.
type periods struct {
	Grace     *int64 `json:"graceSeconds"`
	Retention *int64 `json:"retentionSeconds"`
	Deletes   *bool  `json:"deletesAfterRetention"`
}

// String is the value of [PeriodsAnnotation].
func (p Periods) String() string {
	grace, retention := int64(p.Grace/time.Second), int64(p.Retention/time.Second)
	data, err := json.Marshal(periods{Grace: &grace, Retention: &retention, Deletes: &p.Deletes})
	if err != nil {
		return ""
	}
	return string(data)
}

// PeriodsOf reads the periods of a namespace; false if they are not known, which means that nothing is ever due.
func PeriodsOf(ns *unstructured.Unstructured) (Periods, bool) {
	if ns == nil {
		return Periods{}, false
	}
	value, ok := annotation(ns, PeriodsAnnotation)
	if !ok {
		return Periods{}, false
	}
	return parsePeriods(value)
}

func parsePeriods(value string) (Periods, bool) {
	const most = int64(100 * 365 * 24 * 3600) // a hundred years still is a time.Duration
	stored := periods{}
	if err := json.Unmarshal([]byte(value), &stored); err != nil || stored.Grace == nil || stored.Retention == nil || stored.Deletes == nil {
		return Periods{}, false
	}
	if *stored.Grace < 0 || *stored.Grace > most || *stored.Retention < 0 || *stored.Retention > most {
		return Periods{}, false
	}
	return Periods{
		Grace: time.Duration(*stored.Grace) * time.Second, Retention: time.Duration(*stored.Retention) * time.Second, Deletes: *stored.Deletes,
	}, true
}
