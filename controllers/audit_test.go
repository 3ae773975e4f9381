package controllers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditPolicy notes each request as it arrives, before it is answered: whoever has an answer finds the request in the log.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules: [{level: Metadata}]
`

// auditLog is the API server's own log of what it was asked.
type auditLog struct{ dir string }

func (l auditLog) path() string { return filepath.Join(l.dir, "audit.log") }

// begin makes an API server that is yet to start write the log.
func (l auditLog) begin(env *envtest.Environment) error {
	policy := filepath.Join(l.dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	env.ControlPlane.GetAPIServer().Configure().Set("audit-policy-file", policy).Set("audit-log-path", l.path()).
		// One file: a test reads on from where it began.
		Set("audit-log-maxsize", "100000")
	return nil
}

// agents counts the operators, so that each is known by its user agent.
var agents atomic.Int64

// trail is what the API server was asked by one operator, from some moment on.
type trail struct {
	x     *shop
	agent string
	from  int64
}

// follow begins to look at an operator's requests.
func (x *shop) follow(o *operator) *trail {
	a := &trail{x: x, agent: o.agent}
	a.reset()
	return a
}

// reset leaves aside what was asked so far.
func (a *trail) reset() {
	a.x.t.Helper()
	info, err := os.Stat(a.x.asked.path())
	a.x.Expect(err).NotTo(HaveOccurred())
	a.from = info.Size()
}

// calls are the requests but for watches, events and what is only asked now and then: each as its method and its path below the namespace,
// sorted.
func (a *trail) calls() []string {
	a.x.t.Helper()
	file, err := os.Open(a.x.asked.path())
	a.x.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	_, err = file.Seek(a.from, 0)
	a.x.Expect(err).NotTo(HaveOccurred())
	var calls []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ UserAgent, Verb, RequestURI string }
		// The last line may be half-written: it is another's, because this operator has its answers.
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.UserAgent != a.agent || event.Verb == "watch" {
			continue
		}
		if call := callOf(event.Verb, event.RequestURI); call != "" {
			calls = append(calls, call)
		}
	}
	a.x.Expect(lines.Err()).NotTo(HaveOccurred())
	slices.Sort(calls)
	return calls
}

// callOf names a request; empty for events.
func callOf(verb, uri string) string {
	path, query, _ := strings.Cut(uri, "?")
	_, below, found := strings.Cut(path, "/namespaces/")
	namespace, below, _ := strings.Cut(below, "/")
	switch {
	case strings.HasPrefix(below, "events"):
		return ""
	case below == "" && found:
		below = "namespace"
	case below == "":
		below = "namespaces" + namespace
	}
	if strings.Contains(query, "dryRun=") {
		verb = "try"
	}
	return fmt.Sprint(verb, " ", below)
}

// writes are the calls that change something.
func (a *trail) writes() []string {
	a.x.t.Helper()
	return slices.DeleteFunc(a.calls(), func(call string) bool {
		verb, _, _ := strings.Cut(call, " ")
		return verb == "get" || verb == "list" || verb == "try"
	})
}
