package operator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// Where the processes' metrics and probes are.
var (
	metricsAddresses []string
	healthAddresses  = map[string]string{}
)

// startOperator starts the chart's Deployments as processes, and waits until they are ready.
func startOperator(ctx context.Context, release chart.Rendered) error {
	var err error
	if world.trust, err = newAuthority(world.paths.dir); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	ports, err := freePorts(8)
	if err != nil {
		return err
	}
	world.callback = "https://" + ports[0]
	metricsAddresses = ports[1:3:3]
	world.webhook, err = startDeployed(ctx, release, "webhook", ports[3], map[string]string{
		"bind-address":         ports[0],
		"metrics-bind-address": ports[1],
		"tls-cert-file":        world.trust.certificate,
		"tls-private-key-file": world.trust.privateKey,
		// No load balancer has to notice first.
		"shutdown-delay": "0s",
	})
	if err != nil {
		return err
	}
	world.controller, err = startDeployed(ctx, release, "controller", ports[4], map[string]string{
		"metrics-bind-address": ports[2],
		"clock-skew-url":       "http://" + ports[1],
	})
	if err != nil {
		return err
	}
	world.signOn = "https://" + ports[5]
	metricsAddresses = append(metricsAddresses, ports[6])
	world.login, err = startDeployed(ctx, release, "login", ports[7], map[string]string{
		"bind-address":         ports[5],
		"metrics-bind-address": ports[6],
		"url":                  world.signOn,
		"tls-cert-file":        world.trust.certificate,
		"tls-private-key-file": world.trust.privateKey,
	})
	return err
}

// startDeployed starts one of the chart's Deployments as a process: with its arguments, but for those that make sense in a
// pod only, and with a token of its ServiceAccount in place of any other right.
func startDeployed(ctx context.Context, release chart.Rendered, name, health string, local map[string]string) (*process, error) {
	args, account, err := deployed(release, name)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := world.cluster.kubeconfigOf(ctx, account)
	if err != nil {
		return nil, err
	}
	local["health-probe-bind-address"] = health
	// Nothing of our own environment: the process must not find another kubeconfig than that with its token.
	env := []string{"KUBECONFIG=" + kubeconfig, "HOME=" + world.paths.dir}
	p, err := newProcess(world.paths.dir, name, env, append([]string{world.paths.stallkeeper}, localArguments(args, local)...)...)
	if err != nil {
		return nil, err
	}
	healthAddresses[name] = health
	return p, p.untilReady(ctx, health)
}

// deployed finds the arguments and the ServiceAccount that the chart gives to a command of the binary.
func deployed(release chart.Rendered, command string) (args []string, account string, err error) {
	for _, object := range release.OfKind("Deployment") {
		deployment := &appsv1.Deployment{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment); err != nil {
			return nil, "", err
		}
		pod := deployment.Spec.Template.Spec
		for _, container := range pod.Containers {
			if len(container.Args) > 0 && container.Args[0] == command {
				return container.Args, pod.ServiceAccountName, nil
			}
		}
	}
	return nil, "", fmt.Errorf("the chart has no Deployment that runs `stallkeeper %s`", command)
}

// localArguments puts other values in place of those that make sense in a pod only. Of another process's URL the path stays.
func localArguments(args []string, local map[string]string) []string {
	changed := make([]string, len(args))
	for i, arg := range args {
		changed[i] = arg
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		replacement, ok := local[name]
		if !ok {
			continue
		}
		if was, err := url.Parse(value); err == nil && strings.HasPrefix(replacement, "http://") {
			replacement += was.Path
		}
		changed[i] = "--" + name + "=" + replacement
	}
	return changed
}

// metrics are all processes' metrics.
func metrics(ctx context.Context) (string, error) {
	var text strings.Builder
	for _, address := range metricsAddresses {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
		if err != nil {
			return "", err
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(&text, answer.Body)
		answer.Body.Close()
		if err != nil {
			return "", err
		}
	}
	return text.String(), nil
}
