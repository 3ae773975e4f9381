package v1alpha1

// MeterInterval is how often a meter is read.
// +kubebuilder:validation:Enum=Hourly;Daily
type MeterInterval string

const (
	// MeterHourly reads a meter after every full hour.
	MeterHourly MeterInterval = "Hourly"
	// MeterDaily reads a meter after midnight UTC.
	MeterDaily MeterInterval = "Daily"
)

// MeterPush says how a meter's amounts reach the marketplace.
// +kubebuilder:validation:Enum=Batch;Single;None
type MeterPush string

const (
	// MeterPushBatch pushes many records in one call, by the interface that knows a repeated record again.
	MeterPushBatch MeterPush = "Batch"
	// MeterPushSingle pushes one record in one call, by the interface of products that were released before the other one. It
	// can't tell a repeat, so a push whose answer was lost waits for a person.
	MeterPushSingle MeterPush = "Single"
	// MeterPushNone pushes nothing: the amounts are only counted and shown.
	MeterPushNone MeterPush = "None"
)

// MeterPrometheus is a question to a Prometheus.
type MeterPrometheus struct {
	// address is the Prometheus' base URL. The operator's own setting when not set (the chart's value usage.prometheusURL).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['https', 'http'] && url(self).getHostname() != '' && url(self).getQuery().size() == 0 && !self.contains('@') && !self.contains('?') && !self.contains('#')",message="address must be a base URL such as http://prometheus.monitoring:9090: https:// or http:// and a host, without account, query and fragment"
	Address string `json:"address,omitempty"`

	// query is PromQL for the amount that was used in an interval, such as
	// sum(increase(requests_total{namespace="{{ .instance.tenantNamespace }}"}[$__range])) or vector(0). It is a template over
	// .instance, .plan, .quantity and .trial, but not over what a buyer may have typed. $__range is the interval's length, such
	// as 3600s, and $__start and $__end are its ends in UNIX seconds. It is asked as of the interval's end, and must give one
	// number; no number is no answer, and is asked for again.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.trim() != ''",message="query must be PromQL that gives one number"
	Query string `json:"query,omitempty"`
}

// MeterHTTP is a question to a Service in the tenant's namespace: GET path?meter=NAME&from=TIME&to=TIME with times as in
// 2026-01-02T15:00:00Z. It answers {"value": "12.5"}, the amount that was used from the first to before the second, also when it
// is asked late or again.
type MeterHTTP struct {
	// serviceRef names the Service and its port.
	// +required
	ServiceRef ServicePortReference `json:"serviceRef,omitempty,omitzero"`

	// path of the URL, such as /usage.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[A-Za-z0-9/._~-]*$')",message="path must begin with a slash and hold letters, digits, dots, dashes, underscores, tildes and slashes only"
	Path string `json:"path,omitempty"`
}

// MeterRecords says that a person or a job counts, and writes each amount as a UsageRecord.
type MeterRecords struct{}

// Meter counts one thing that sales are charged for by their use, or that is only shown. Exactly one of prometheus, http and
// records says where its amounts come from.
// +kubebuilder:validation:ExactlyOneOf=prometheus;http;records
type Meter struct {
	// name of the meter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="a meter's name must be lower-case letters, digits and dashes"
	Name string `json:"name,omitempty"`

	// unit that the amounts are in, as the marketplace's console has it, for people.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.trim() != ''",message="unit must say something, such as GB or 1000 requests"
	Unit string `json:"unit,omitempty"`

	// interval is how often the meter is read: as often as the marketplace bills, or more often.
	// +required
	Interval MeterInterval `json:"interval,omitempty"`

	// prometheus asks a Prometheus.
	// +optional
	Prometheus MeterPrometheus `json:"prometheus,omitempty,omitzero"`

	// http asks a Service of the tenant.
	// +optional
	HTTP MeterHTTP `json:"http,omitempty,omitzero"`

	// records takes the UsageRecords that a person or a job writes: records: {}.
	// +optional
	Records *MeterRecords `json:"records,omitempty"`
}

// PlanMeter is a meter that counts what sales of a plan use.
type PlanMeter struct {
	// name of one of the product's meters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// push says how the amounts reach the marketplace. Batch when not set.
	// +optional
	Push MeterPush `json:"push,omitempty"`
}

// UsedUpPolicy says what happens when a package is used up.
// +kubebuilder:validation:Enum=Continue;Suspend
type UsedUpPolicy string

const (
	// UsedUpContinue lets the tenant run on.
	UsedUpContinue UsedUpPolicy = "Continue"
	// UsedUpSuspend stops the tenant and keeps its data, until another package is bought.
	UsedUpSuspend UsedUpPolicy = "Suspend"
)

// PackageConsumer says who uses a package.
// +kubebuilder:validation:Enum=OwnTenant;MeteredInstance
type PackageConsumer string

const (
	// PackageConsumerOwnTenant is a tenant that is made for the package.
	PackageConsumerOwnTenant PackageConsumer = "OwnTenant"
	// PackageConsumerMeteredInstance is the tenant of an instance that the buyer has already and that is billed by usage.
	PackageConsumerMeteredInstance PackageConsumer = "MeteredInstance"
)

// UsagePackage makes a plan a package of use that is paid in advance, and says how much it holds and what happens at its end.
type UsagePackage struct {
	// meter is the name of the product's meter whose amounts are taken from the package. A plan whose package is used by its own
	// tenant reads that meter whether its meters name it or not.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Meter string `json:"meter,omitempty"`

	// size is how much one piece of the sold quantity holds, in the meter's unit. 1 when not set: the quantity is then the size.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=13
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|[1-9][0-9]{0,7})([.][0-9]{1,4})?$') && self.matches('[1-9]')",message="size must be a decimal number above 0 with at most 8 digits before the point and 4 behind it, such as \"500\" or \"0.5\""
	Size string `json:"size,omitempty"`

	// warnAtPercent are the percentages at which a warning is given that the package runs low. None when not set.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=99
	WarnAtPercent []int32 `json:"warnAtPercent,omitempty"`

	// whenUsedUp says what happens at the end. Continue when not set. Only what the marketplace has accepted counts.
	// +optional
	WhenUsedUp UsedUpPolicy `json:"whenUsedUp,omitempty"`

	// consumer says who uses the package. OwnTenant when not set. With MeteredInstance nothing runs for the package, and the plan
	// of the instance that uses it counts. It holds for packages that are sold from then on.
	// +optional
	Consumer PackageConsumer `json:"consumer,omitempty"`
}
