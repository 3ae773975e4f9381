package permissions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

const (
	instances = "/apis/stallkeeper.io/v1alpha1/namespaces/sales/marketplaceinstances"
	products  = "/apis/stallkeeper.io/v1alpha1/namespaces/sales/marketplaceproducts"
	records   = "/apis/stallkeeper.io/v1alpha1/namespaces/sales/usagerecords"
	revisions = "/apis/stallkeeper.io/v1alpha1/namespaces/sales/marketplacerevisions"
	markets   = "/apis/stallkeeper.io/v1alpha1/namespaces/sales/marketplaces"
)

// request is one call of the API server, as its audit log would show it.
type request struct {
	as string
	// do is the verb and the path. Verbs are HTTP's, but for APPLY, MERGE and STRATEGIC, which are PATCH with that content type.
	do string
	// body in YAML. An APPLY without one is the empty apply, which changes nothing and would return the object.
	body string
	// keep makes it for real; else it is a dry run.
	keep bool
}

// answer is what the API server said.
type answer struct {
	code    int
	message string
}

func (a answer) allowed() bool { return a.code >= 200 && a.code < 300 }
func (a answer) refusedByPolicy() bool {
	return strings.Contains(a.message, "ValidatingAdmissionPolicy")
}
func (a answer) String() string         { return fmt.Sprintf("%d %s", a.code, a.message) }
func (a answer) says(words string) bool { return strings.Contains(a.message, words) }

var contentTypes = map[string]string{
	"APPLY":     "application/apply-patch+yaml",
	"MERGE":     "application/merge-patch+json",
	"STRATEGIC": "application/strategic-merge-patch+json",
}

func (r request) send(ctx context.Context) (answer, error) {
	config := callers[r.as]
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return answer{}, fmt.Errorf("making a client of %s: %w", r.as, err)
	}
	verb, path, _ := strings.Cut(r.do, " ")
	method, query := verb, []string{}
	contentType := contentTypes[verb]
	body, err := r.json(verb)
	if err != nil {
		return answer{}, err
	}
	switch {
	case contentType != "":
		method = http.MethodPatch
		query = append(query, "fieldManager=test")
		if verb == "APPLY" {
			query = append(query, "force=true")
		}
	default:
		contentType = "application/json"
	}
	if method != http.MethodGet && !r.keep {
		query = append(query, "dryRun=All")
	}
	base := strings.TrimSuffix(config.Host, "/")
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	call, err := http.NewRequestWithContext(ctx, method, base+path+"?"+strings.Join(query, "&"), bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("making the request: %w", err)
	}
	call.Header.Set("Content-Type", contentType)
	response, err := httpClient.Do(call)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", r.do, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s: reading the answer: %w", r.do, err)
	}
	var status struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(text, &status) // an answer that is no Status has no message
	return answer{response.StatusCode, status.Message}, nil
}

// json is the body. An apply gets the identity that it must have from its path.
func (r request) json(verb string) ([]byte, error) {
	if r.body == "" && verb != "APPLY" {
		return nil, nil
	}
	object := map[string]any{}
	if err := yaml.Unmarshal([]byte(r.body), &object); err != nil {
		return nil, fmt.Errorf("the body of %s: %w", r.do, err)
	}
	if verb == "APPLY" {
		_, path, _ := strings.Cut(r.do, " ")
		identify(object, path)
	}
	return json.Marshal(object)
}

// kinds are the kinds behind the resources that are applied here.
var kinds = map[string]string{
	"secrets": "Secret", "configmaps": "ConfigMap", "namespaces": "Namespace", "deployments": "Deployment",
	"marketplaceinstances": "MarketplaceInstance", "replicasets": "ReplicaSet", "roles": "Role", "rolebindings": "RoleBinding", "services": "Service",
	"networkpolicies": "NetworkPolicy", "serviceaccounts": "ServiceAccount", "ingresses": "Ingress", "statefulsets": "StatefulSet",
	"cronjobs": "CronJob", "httproutes": "HTTPRoute", "persistentvolumeclaims": "PersistentVolumeClaim",
	"grpcroutes": "GRPCRoute", "tlsroutes": "TLSRoute", "tcproutes": "TCPRoute", "gateways": "Gateway", "leases": "Lease",
	"scaledjobs": "ScaledJob",
}

func identify(object map[string]any, path string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	apiVersion, rest := parts[1], parts[2:]
	if parts[0] == "apis" {
		apiVersion, rest = parts[1]+"/"+parts[2], parts[3:]
	}
	resource, name := rest[len(rest)-2], rest[len(rest)-1]
	object["apiVersion"], object["kind"] = apiVersion, kinds[resource]
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["name"] = name
	object["metadata"] = metadata
}
