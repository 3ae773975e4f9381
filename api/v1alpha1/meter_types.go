package v1alpha1

// MeterSource is where a meter's amounts come from.
// +kubebuilder:validation:Enum=Prometheus;HTTP;Records
type MeterSource string

const (
	// MeterSourcePrometheus asks a Prometheus.
	MeterSourcePrometheus MeterSource = "Prometheus"
	// MeterSourceHTTP asks a Service of the tenant.
	MeterSourceHTTP MeterSource = "HTTP"
	// MeterSourceRecords takes the UsageRecords that a person or a job writes.
	MeterSourceRecords MeterSource = "Records"
)

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
// +kubebuilder:validation:Enum=New;Old;None
type MeterPush string

const (
	// MeterPushNew pushes by the marketplace's present interface, which knows a repeated record again.
	MeterPushNew MeterPush = "New"
	// MeterPushOld pushes by the interface of products that were released before that one, one record at a time. It can't tell a
	// repeat, so a push whose answer was lost waits for a person.
	MeterPushOld MeterPush = "Old"
	// MeterPushNone pushes nothing: the amounts are only counted and shown.
	MeterPushNone MeterPush = "None"
)

// MeterPrometheus is a question to a Prometheus.
type MeterPrometheus struct {
	// address is the Prometheus' base URL. The operator's own setting when not set (the chart's value usage.prometheusURL).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (self.startsWith('https://') || self.startsWith('http://'))",message="address must be a URL that begins with https:// or http://"
	Address string `json:"address,omitempty"`

	// query is PromQL for the amount that was used in an interval, such as
	// sum(increase(requests_total{namespace="{{ .instance.tenantNamespace }}"}[$__range])) or vector(0). It is a template over
	// .instance, .plan, .quantity and .trial, but not over what a buyer may have typed. $__range is the interval's length, such
	// as 3600s, and $__start and $__end are its ends in UNIX seconds. It is asked as of the interval's end, and must give one
	// number; no number is no answer, and is asked for again.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Query string `json:"query,omitempty"`
}

// MeterHTTP is a question to a Service in the tenant's namespace: GET path?meter=NAME&from=TIME&to=TIME with times as in
// 2026-01-02T15:00:00Z. It answers {"value": "12.5"}, the amount that was used from the first to before the second, also when it
// is asked late or again.
type MeterHTTP struct {
	// service is the name of the Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1035Label().validate(self).hasValue()",message="service must be the name of a Service: lower-case letters, digits and dashes, a letter first"
	Service string `json:"service,omitempty"`

	// port is the Service's port.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// path of the URL, such as /usage.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^/[A-Za-z0-9/._~-]*$`
	Path string `json:"path,omitempty"`
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

// PackageUser says who uses a package.
// +kubebuilder:validation:Enum=OwnTenant;OnDemandInstance
type PackageUser string

const (
	// PackageUsedByOwnTenant is a tenant that is made for the package.
	PackageUsedByOwnTenant PackageUser = "OwnTenant"
	// PackageUsedByOnDemandInstance is the tenant of an instance that the buyer has already and that is charged by use.
	PackageUsedByOnDemandInstance PackageUser = "OnDemandInstance"
)

// MeterPackage says how much a package holds, and what happens at its end.
// +kubebuilder:validation:MinProperties=1
type MeterPackage struct {
	// size is how much one piece of the sold quantity holds, in the meter's unit. 1 when not set: the quantity is then the size.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=13
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,7})(\.[0-9]{1,4})?$`
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="size must be above 0"
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

	// usedBy says who uses the package. OwnTenant when not set. With OnDemandInstance nothing runs for the package, and the
	// meter of the same name of that instance's plan counts. It holds for packages that are sold from then on.
	// +optional
	UsedBy PackageUser `json:"usedBy,omitempty"`
}

// Meter counts one thing that a sale is charged for by its use.
// +kubebuilder:validation:XValidation:rule="has(self.prometheus) == (self.source == 'Prometheus') && has(self.http) == (self.source == 'HTTP')",message="a meter needs the member prometheus with source Prometheus, http with source HTTP, and neither with source Records"
type Meter struct {
	// name of the meter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="a meter's name must be lower-case letters, digits and dashes"
	Name string `json:"name,omitempty"`

	// unit that the amounts are in, as the marketplace's console has it, for people.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Unit string `json:"unit,omitempty"`

	// source is where the amounts come from.
	// +required
	Source MeterSource `json:"source,omitempty"`

	// prometheus is the question of source Prometheus.
	// +optional
	Prometheus MeterPrometheus `json:"prometheus,omitempty,omitzero"`

	// http is the question of source HTTP.
	// +optional
	HTTP MeterHTTP `json:"http,omitempty,omitzero"`

	// interval is how often the meter is read: as often as the marketplace bills, or more often.
	// +required
	Interval MeterInterval `json:"interval,omitempty"`

	// push says how the amounts reach the marketplace. New when not set.
	// +optional
	Push MeterPush `json:"push,omitempty"`

	// package says how much a package holds, for sales that are one.
	// +optional
	Package MeterPackage `json:"package,omitempty,omitzero"`
}
